"""Fees: the venue's charge, its asset, and the check against each fill."""
