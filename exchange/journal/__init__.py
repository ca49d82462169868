"""The durable log of commands: frames, and the journals that store them."""
