"""Where two books cross: detector, episodes, opener, and the alternatives that were not taken."""
