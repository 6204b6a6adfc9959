"""The demo app: sessions, models and tabs."""
