"""The page: a process of its own on this machine that shows what an engine does, and what its ledger holds.

It holds no keys, trades nothing, and costs the engine nothing: the present state comes by a socket that waits for nobody
(`arb/live/feed.py`), history from the ledger, read-only.
"""
