"""Grids of settings over tapes: the trials, their workers, and their results."""
