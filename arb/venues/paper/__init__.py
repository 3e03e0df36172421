"""Paper trading: orders filled from live books, with no order sent."""
