"""What the statistics find, and how often they are wrong."""
