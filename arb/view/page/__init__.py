"""The page: a process of its own on this machine that shows what an engine does, and what its ledger holds.

It holds no keys, trades nothing, and delays no order: the engine sends its state on a socket and waits for no listener
(`arb/live/feed.py`), history from the ledger, read-only.
"""
