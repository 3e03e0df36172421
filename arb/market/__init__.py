"""What the whole engine agrees on: scales, instruments, books, orders, fills. No I/O, no clock."""
