"""Journal (what happened), ledger (what we own and did), tapes (raw frames). The only floor that knows SQLAlchemy."""
