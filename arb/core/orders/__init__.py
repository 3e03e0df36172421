"""Orders from intent to settled: sending, queries, proof of absence, and foreign orders."""
