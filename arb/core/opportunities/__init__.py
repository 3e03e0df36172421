"""Where two books cross: detector, episodes, edges that stand, opener, and the alternatives that were not taken."""
