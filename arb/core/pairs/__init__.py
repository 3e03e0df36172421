"""Pair trades: the table of their states, repairs, closing and waterfall, residuals and dust, flatten."""
