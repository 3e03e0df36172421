"""Our orders from intent to settled: manager, queries, proof of absence, and orders that are not ours."""
