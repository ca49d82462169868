"""Measurements: one file per claim, each with the line that repeats it."""
