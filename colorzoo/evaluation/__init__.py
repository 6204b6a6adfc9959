"""Measure models: metrics, reports and timings."""
