"""Published vectors of other engines and clients."""
