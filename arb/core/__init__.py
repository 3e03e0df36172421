"""The decision plane: one synchronous function and the pure parts it is made of. No I/O, no clock, no chance."""
