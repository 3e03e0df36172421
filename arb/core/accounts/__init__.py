"""Accounts compared with the venues' reports, recovery at a start, and the plan of moves between venues."""
