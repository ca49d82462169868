"""Websockets: the protocol as a value machine, the hub that tells many readers one thing once, the shells around."""
