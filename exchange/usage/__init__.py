"""Metered use: which records were counted, and from which units each is paid."""
