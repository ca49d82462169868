"""The core: matching and balances as a pure function."""
