"""The taker pair: where two books cross, episodes, persistent edges, and what blocks an opening."""
