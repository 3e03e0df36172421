"""Measure the engine beside other software that does the same work: `python -m proofs.bench`.

Nothing here is used for trading. Each module measures one thing and answers with rows; `rounds.py` holds how.
"""
