from __future__ import annotations

from datetime import timedelta

import pytest

from perkie_cli.domain.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("500ms", 0.5), ("45s", 45), ("10m", 600), ("6h", 21600), ("7d", 604800), ("2w", 1209600)],
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


def test_people_read_them() -> None:
    assert [format_size(n) for n in (0, 1023, 1536, 5 * 2**20)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]
    assert [format_duration(s) for s in (0.3404, 12.34, 240, 7 * 86400)] == ["340 ms", "12.3 s", "4 min", "7 days"]
