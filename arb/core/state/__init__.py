"""What is known: controls, budgets, venue health, orders, residuals. No decisions."""
