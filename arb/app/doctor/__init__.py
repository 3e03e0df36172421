"""The doctor: checks of machine, venues and accounts before money moves, and the drill."""
