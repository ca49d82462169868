"""The compiled part of the door: orders that came together are read, and answered, in one call."""
