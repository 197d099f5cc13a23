"""The benchmarks can be listed: each can be imported without its peers, and says what it measures."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import main, names


def test_each_benchmark_has_a_line_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == names()
    assert all(len(line.split(maxsplit=1)[1]) > 30 for line in lines)
