"""The simulated exchanges: strangers who share no parser with the rest of the house."""
