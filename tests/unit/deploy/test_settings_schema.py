"""docs/deploy.schema.json takes what the reader takes: the same fields, and the shipped file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.ops.deploy.levels import GATED
from perkie_cli.ops.deploy.read import read_environment
from perkie_cli.ops.deploy.settings import SAMPLES
from tests.conftest import ROOT
from tests.unit.deploy.test_manifests import BOTH

SCHEMA = json.loads((ROOT / "docs" / "deploy.schema.json").read_text("utf-8"))
CHECK = jsonschema_rs.validator_for(SCHEMA)
ENVIRONMENT = SCHEMA["$defs"]["environment"]["properties"]
PARTS = {
    name: SCHEMA["$defs"]["service"] if "$ref" in part else part
    for name, part in ENVIRONMENT.items()
    if part.get("type") == "object" or "$ref" in part
}


def test_the_shipped_file_and_that_of_the_tests_are_valid() -> None:
    CHECK.validate(tomllib.loads((ROOT / "perkie_cli" / "data" / "deploy.toml").read_text("utf-8")))
    CHECK.validate(tomllib.loads(BOTH))


@pytest.mark.parametrize("table", ["", *PARTS])
def test_the_reader_knows_the_same_fields(table: str, tmp_path: Path) -> None:
    """It names all of them when it meets one that it does not know."""
    text = BOTH + (f"{table}.nonsense = 1\n" if table else "nonsense = 1\n")
    (tmp_path / "deploy.toml").write_text(text, "utf-8")
    with pytest.raises(InvalidSetting) as error:
        read_environment(tmp_path / "deploy.toml", "production")
    assert "nonsense is not known here" in error.value.message
    assert error.value.hint is not None
    known = {name.strip(" .") for name in error.value.hint.rpartition("Fields: ")[2].split(",")}
    assert known == set(PARTS[table]["properties"] if table else ENVIRONMENT)


def test_choices_are_the_same() -> None:
    canary = PARTS["canary"]["properties"]
    assert canary["levels"]["items"]["enum"] == [*GATED]
    assert canary["samples"]["enum"] == [*SAMPLES]


@pytest.mark.parametrize(
    "text", ["artistic.cpu = 3", "artistic.cpus = 2", 'canary.levels = ["hit_rate"]', "[qa]", 'artistic.memory = "2GB"']
)
def test_what_is_wrong_is_not_valid(text: str) -> None:
    assert not CHECK.is_valid(tomllib.loads(text))
