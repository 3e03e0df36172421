"""What people see of a run: one summary, and its faces (screen, page, report)."""
