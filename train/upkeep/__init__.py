"""Everything that is derived from trained weights: cards, README, sheets, ratings, releases."""
