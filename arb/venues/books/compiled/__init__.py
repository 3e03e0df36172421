"""Books kept by compiled code, for the frequent frames; `arb/venues/books/plain` is the plain version."""
