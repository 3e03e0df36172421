"""Any exchange that ccxt knows and arb has no adapter for: its books by ccxt, shown and recorded, and never traded on."""
