"""Deterministic simulation: the whole house on virtual time, a network in memory, and faults drawn from one seed."""
