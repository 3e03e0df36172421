"""What every venue has in common in how it is obeyed: outcomes, pacing, retries, the guard, clocks, rights of keys."""
