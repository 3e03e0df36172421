"""Books from frames: a plain reader, and a compiled one that it judges."""
