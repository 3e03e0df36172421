"""Gate.io, the first-class venue: explicit double-hash signing and the mends to what ccxt gets wrong."""
