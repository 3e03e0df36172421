"""Books: connections, freshness, pace, and the prices read from them."""
