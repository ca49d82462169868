"""Tests of the gateway processes."""
