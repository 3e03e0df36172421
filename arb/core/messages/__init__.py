"""What passes in and out of the engine: events, commands, records, timers, incidents, settings. Values only, no decisions."""
