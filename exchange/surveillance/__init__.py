"""Surveillance: what looks like abuse, found online in the events, with the journal range that shows it."""
