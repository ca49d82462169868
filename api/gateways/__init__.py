"""Processes in front of the exchange: they hold the clients' connections, and the one that decides is left in peace."""
