"""Many files at once: planned, coloured and reported."""
