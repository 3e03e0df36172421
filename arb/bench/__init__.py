"""Measure the house against others that do the same work, side by side: `arb bench`.

Nothing here is used for trading. Each module measures one thing and answers with rows; `rounds.py` holds how.
"""
