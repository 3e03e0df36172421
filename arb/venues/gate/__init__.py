"""Gate.io, the first-class venue: explicit double-hash signing, and repairs of ccxt's errors."""
