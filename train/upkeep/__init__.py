"""Update everything that depends on trained weights: cards, README, sheets, ratings, releases."""
