"""The rules shared by all venues: outcomes, pacing, retries, the guard, clocks, rights of keys."""
