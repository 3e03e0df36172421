"""The venues as seen from our side: wire dialects, signing, pacing, outcomes. The only floor that knows ccxt."""
