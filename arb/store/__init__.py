"""Journal (history), ledger (holdings and trades), tapes (raw frames). The only floor that knows SQLAlchemy."""
