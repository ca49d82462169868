"""Tests of the compiled part of the door."""
