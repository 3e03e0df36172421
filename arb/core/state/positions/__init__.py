"""What we hold at each venue: inventory, bands, holdings, and the fills and bills already counted."""
