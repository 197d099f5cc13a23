"""``file://`` references to secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from perkie_cli.domain.errors import InvalidSetting, MissingCredentials
from perkie_cli.domain.secret import Secret
from perkie_cli.stores.secrets import resolved


def test_a_mounted_secret_is_read_without_its_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the key\n")
    assert resolved(Secret(f"file://{tmp_path}/key")) == Secret("the key")
    assert resolved(Secret("a key of its own")) == Secret("a key of its own")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\n", "is empty"), (b"x" * 65_537, "64 KiB"), (b"\xff", "UTF-8")]
)
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(MissingCredentials, match=f"{tmp_path}/key.*{said}"):
        resolved(Secret(f"file://{tmp_path}/key"))


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="does not name a file from the root on"):
        resolved(Secret("file://key"))
