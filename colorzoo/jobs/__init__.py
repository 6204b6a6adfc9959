"""Colour many files: planning, processing and reports."""
