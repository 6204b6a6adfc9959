"""Measuring colorizers: metrics, reports and timings."""
