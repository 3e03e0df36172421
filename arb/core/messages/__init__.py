"""The engine's inputs and outputs: events, commands, records, timers, incidents, settings. Values only, no decisions."""
