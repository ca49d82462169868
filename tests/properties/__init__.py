"""Properties that hold for every sequence of commands."""
