"""Decode, encode and resize pictures, and merge colour with lightness."""
