"""What can be traded: listings, currencies, the symbols a run has chosen."""
