"""The simulated exchanges: like a foreign venue, they share no parser and no type with the engine."""
