"""Books kept by compiled code: what `arb/venues/books/plain` does plainly, for the frames that come all the time."""
