"""Guided colour: hints, areas and references that say what colours should be."""
