"""Strategies: each decides what to open; the engine does the rest."""
