"""The words of the streams."""
