"""What may go on: limits, rate budget, halts, exposure, venue health, shutdown."""
