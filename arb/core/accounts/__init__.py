"""What we hold: inventory, fees, balances and accounts compared with the venues' reports, recovery at a start."""
