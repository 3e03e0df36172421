"""The venues as seen from our side: wire dialects, signing, pacing, outcomes. The only floor that knows ccxt."""

from arb.venues.kit.ccxt_packages import enter_packages

enter_packages()  # before any module of this floor imports ccxt
