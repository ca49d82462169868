"""Where a server's log goes: to stderr, and nowhere once nobody reads that any more."""

import logging
import sys
from typing import TextIO, cast

import structlog


class Unfailing:
    """A text stream that loses what it cannot write: a log must not end what it tells about."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, if there is somebody to read it."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # the pipe is broken, or closed
            return len(text)

    def flush(self) -> None:
        """Send what was written, if there is somebody to read it."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


def log_to_stderr() -> None:
    """Let logs go where they do not mix with what a command prints: readable on a terminal, JSON elsewhere."""
    shown = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Unfailing(sys.stderr))),
    )
