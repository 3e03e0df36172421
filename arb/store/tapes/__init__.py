"""Tapes: the raw frames of a run, and their Parquet form."""
