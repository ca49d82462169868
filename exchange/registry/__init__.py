"""Who trades and what is traded, by name: a fold over documents, and exact conversions of numbers."""
