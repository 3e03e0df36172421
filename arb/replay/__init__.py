"""Tapes, journals and snapshots read again: replay, what-if, reports."""
