"""What must not be shown is not shown, and what belongs to one user is closed to others."""

from __future__ import annotations

import io
import logging
import os
import stat
from pathlib import Path

import pytest

from perkie_cli.domain.errors import InvalidSetting, UpstreamFault
from perkie_cli.domain.events import Audited, AuditLost
from perkie_cli.domain.secret import masked
from perkie_cli.stores.sqlite.file import open_shared
from perkie_cli.telemetry.audit import AuditLog
from perkie_cli.telemetry.fanout import Fanout
from perkie_cli.telemetry.log import handler_on
from tests.clock import ManualClock
from tests.events import Recorder


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://mirror.example/models", "https://mirror.example/models"),
        ("https://mirror.example:8443/models@v2", "https://mirror.example:8443/models@v2"),
        ("http://me:secret@host", "http://****@host"),
        ("http://token@host/x", "http://****@host/x"),
        ("http://me:sec@ret@host/x", "http://****@host/x"),
        ("http://me:sec/ret@host/x", "http://****@host/x"),
        ("http://me:sec%40ret@[::1]:80/", "http://****@[::1]:80/"),
        ("a http://me:secret@host, b https://me:secret@host", "a http://****@host, b https://****@host"),
        ("https://host/x?a=1&X-Goog-Signature=ab12&b=2", "https://host/x?a=1&X-Goog-Signature=****&b=2"),
        ("https://host/x?api_key=secret", "https://host/x?api_key=****"),
        ("no address: me:secret@host", "no address: me:secret@host"),
    ],
)
def test_addresses_are_shown_without_credentials(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_no_error_shows_a_password() -> None:
    error = UpstreamFault("http://me:secret@host cannot be reached", hint="Check http://me:secret@host.")
    assert "secret" not in f"{error} {error.message} {error.hint} {error!r}"
    assert "secret" not in str(InvalidSetting("matting.remote_url = 'ftp://me:secret@host'"))


# ------------------------------------------------------------------ logs


FORGED = "2026-01-01T00:00:00.000Z ERROR forged"


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K\x1b[1G"]
)
def test_no_text_from_outside_begins_a_line_of_the_log(end: str) -> None:
    stream = io.StringIO()
    log = logging.Logger("test")
    log.addHandler(handler_on(stream))
    said = f"said{end}{FORGED}"
    log.warning("an SDK %s", said)
    log.warning(said)
    log.error("failed", exc_info=ValueError(said))
    assert "said" in stream.getvalue()
    assert not [line for line in stream.getvalue().splitlines() if line.startswith(FORGED)]
    assert "\x1b" not in stream.getvalue()


def test_no_line_of_the_log_has_a_password() -> None:
    stream = io.StringIO()
    log = logging.Logger("test")
    log.addHandler(handler_on(stream))
    log.info("HTTP Request: GET %s", "http://me:secret@host/x?token=secret")
    log.error("http://me:secret@host", exc_info=ValueError("http://me:secret@host"))
    assert "secret" not in stream.getvalue(), stream.getvalue()


# ------------------------------------------------------------------ files


RECORD = Audited(action="purge", target="cache", actor="me@host")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def _umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_the_state_is_private_whatever_the_umask(tmp_path: Path) -> None:
    state = tmp_path / "state" / "perkie"
    AuditLog(state / "audit.jsonl", ManualClock(), Recorder().emit).write(RECORD)
    with_rows = open_shared(state / "quotas.sqlite", "CREATE TABLE rows (id)")
    with_rows.execute("INSERT INTO rows VALUES (1)")
    files = {path.name: mode(path) for path in state.iterdir()}
    with_rows.close()
    assert {mode(state), mode(state.parent)} == {0o700}
    assert set(files.values()) == {0o600}
    assert {"audit.jsonl", "quotas.sqlite"} <= set(files)


def test_audit_records_do_not_follow_a_link(tmp_path: Path) -> None:
    elsewhere, log, sink = tmp_path / "elsewhere", tmp_path / "audit.jsonl", Recorder()
    elsewhere.write_text("mine\n")
    log.symlink_to(elsewhere)
    Fanout([AuditLog(log, ManualClock(), sink.emit)], sink).emit(RECORD)
    assert elsewhere.read_text() == "mine\n"
    assert [type(event) for event in sink.events] == [AuditLost, Audited]


def test_an_audit_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text("")
    log.chmod(0o644)
    AuditLog(log, ManualClock(), Recorder().emit).write(RECORD)
    assert mode(log) == 0o600
    assert log.read_text().count("\n") == 1
