"""Grids of settings over tapes: what is tried, on which workers, and what came of it."""
