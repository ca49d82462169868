"""Tests: one file per source file at the same path, and what holds above single files."""
