"""The engine's common values: scales, instruments, books, orders, fills. No I/O, no clock."""
