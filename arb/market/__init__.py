"""What the whole house agrees on: scales, instruments, books, orders, fills. No I/O, no clock."""
