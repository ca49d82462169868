"""Tests of the compatible dialect."""
