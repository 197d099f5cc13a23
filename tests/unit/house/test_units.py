from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.units import (
    exact_duration,
    format_duration,
    format_size,
    parse_duration,
    parse_moment,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("500ms", 0.5), ("45s", 45), ("10m", 600), ("6h", 21600), ("7d", 604800), ("2w", 1209600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("20MiB", 20 * 2**20), ("1.5 kB", 1500), ("2GB", 2 * 10**9)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-3d", "3y", "1,5h"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_duration(text)
    with pytest.raises(ValueError, match="is not a"):
        parse_size(text)


@pytest.mark.parametrize("text", ["7", "180", "0.5", " 90 "])
def test_a_bare_number_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="has no unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 30 + "w", "1001000d", "9" * 400 + "s"])
def test_durations_end_before_the_calendar_does(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 1000 years"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1.5", "0.0001kB", "9999999999GB", "9" * 400])
def test_sizes_are_whole_and_fit_into_64_bits(text: str) -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        parse_size(text)


@given(st.timedeltas(timedelta(0), timedelta(days=300_000)))
def test_an_exact_duration_reads_back(time: timedelta) -> None:
    assert abs(parse_duration(exact_duration(time)) - time) <= timedelta(microseconds=2)


def test_people_read_them() -> None:
    assert [format_size(n) for n in (0, 1023, 1536, 5 * 2**20)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]
    assert [format_duration(s) for s in (0.3404, 12.34, 240, 7 * 86400)] == ["340 ms", "12.3 s", "4 min", "7 days"]


def test_a_moment_is_named_or_counted_from_now() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert parse_moment("2h", now) == now - timedelta(hours=2)
    assert parse_moment("90d", now, ahead=True) == now + timedelta(days=90)
    assert parse_moment("2026-11-29", now) == datetime(2026, 11, 29, tzinfo=UTC)
    for text in ("5", "soon", "", "51900w"):
        with pytest.raises(ValueError, match=r"\S"):
            parse_moment(text, datetime(500, 1, 1, tzinfo=UTC))
