"""Fees: what a venue charges, in which asset, and the check against each fill."""
