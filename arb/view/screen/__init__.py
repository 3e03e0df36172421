"""The live screen: what a run is doing, drawn beside its loop, and the keys that steer it."""
