"""The typed client of the exchange."""
