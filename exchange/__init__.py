"""The market: engine, journal, registry and market data."""
