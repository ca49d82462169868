"""Tests of the whole exchange, over real sockets and a real database."""
