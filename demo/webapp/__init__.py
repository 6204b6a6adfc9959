"""The demo page: its session, its models and its tabs."""
