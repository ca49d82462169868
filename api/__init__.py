"""The door: REST, streams and the command line."""
