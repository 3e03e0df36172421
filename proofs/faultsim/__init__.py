"""Fault simulation: the whole engine on virtual time, a network in memory, and faults drawn from one seed."""
