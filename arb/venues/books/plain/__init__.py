"""The wire dialects of public feeds: bytes in, values out, no sockets."""
