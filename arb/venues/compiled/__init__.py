"""Books kept by compiled code: what `arb/venues/wire` does plainly, for the frames that come all the time."""
