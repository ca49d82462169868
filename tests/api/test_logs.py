"""A log that nobody reads any more harms nobody."""

import io
import os
from types import SimpleNamespace

import pytest

from api.logs import Unfailing
from exchange import sequencer
from tests.exchange.running import market, run


def test_what_is_written_arrives():
    stream = io.StringIO()
    log = Unfailing(stream)
    assert log.write("words") == 5
    log.flush()
    assert stream.getvalue() == "words"


def test_a_pipe_that_nobody_reads_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    log = Unfailing(stream)
    for _ in range(3):
        assert log.write("x" * 10_000) == 10_000
        log.flush()
    try:
        stream.close()
    except BrokenPipeError:
        assert stream.closed
    assert log.write("y") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_even_a_log_that_fails_does_not_keep_a_stop_waiting(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise BrokenPipeError

    async def drive(running):
        monkeypatch.setattr(sequencer, "log", SimpleNamespace(info=fail, warning=fail, exception=fail))
        await running.submit([b"".join(market())])

    run(tmp_path, drive)  # it ends
