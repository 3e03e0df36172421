"""The journal: every event and record of an engine, in order, and the intents that precede them on disk."""
