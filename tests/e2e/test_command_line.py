"""What holds for every command: start-up, help, envelopes, completion files."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import perkie_cli
from perkie_cli.cli.app import COMMANDS
from tests.conftest import ROOT, Perkie

HEAVY = ("numpy", "cv2", "PIL", "google", "torch", "fastapi", "grpc", "onnxruntime")


def imported(*args: str) -> set[str]:
    code = (
        "import sys\nfrom perkie_cli.cli.boundary import run\nfrom perkie_cli.cli.flags import hoist\n"
        "run(hoist(sys.argv[1:]))\nprint('\\n' + ' '.join(m for m in sys.modules if '.' not in m))"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("config", "path"), ("styles", "list")], ids=" ".join)
def test_light_commands_import_nothing_heavy(args: tuple[str, ...]) -> None:
    assert imported(*args).isdisjoint({*HEAVY, "pydantic"})


@pytest.mark.parametrize("args", [("remove-bg",), ("stylize", "--style", "ink_wash")], ids=" ".join)
def test_values_as_they_stand_need_no_pydantic(args: tuple[str, ...], tmp_path: Path) -> None:
    assert "pydantic" not in imported(*args, str(tmp_path / "missing.jpg"), "--out-dir", str(tmp_path))


def test_version(perkie: Perkie) -> None:
    assert perkie("--version").stdout == f"perkie {perkie_cli.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_in_80_columns(perkie: Perkie, command: str) -> None:
    done = perkie(command, "--help", env={"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert COMMANDS[command].rstrip(".") in " ".join(done.stdout.split()), "the table's line is the command's own"
    assert "--install-completion" not in done.stdout, "that is the root's"
    assert "<bool>" not in done.stdout, "a switch takes no value"
    assert "perkie --help" in done.stdout, "where the global options are told"
    subcommands = done.stdout.partition("Commands")[2]
    if not subcommands:
        assert "Example" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_config_init_writes_a_file_that_loads(perkie: Perkie, tmp_path: Path, home: Path) -> None:
    target = home / "config" / "perkie" / "config.toml"
    assert perkie("config", "init").stdout == f"{target}\n"
    assert perkie("config", "init").returncode == 3
    assert perkie("config", "show").returncode == 0
    target.write_text("[style]\nsize = 300\n")
    rows = {r["name"]: r for r in json.loads(perkie("config", "show", "style", "--json").stdout)["results"]}
    assert rows["style.size"]["value"] == 300
    assert str(target) in rows["style.size"]["origin"]


def test_config_show_masks_secrets(perkie: Perkie) -> None:
    for args in (("config", "show"), ("config", "show", "--json"), ("config", "show", "-v")):
        done = perkie(*args, env={"GEMINI_API_KEY": "canary-4711"})
        assert "canary-4711" not in done.stdout + done.stderr
        assert "****" in done.stdout
        assert hashlib.sha256(b"canary-4711").hexdigest()[:8] in done.stdout


@pytest.mark.parametrize(
    ("key", "told", "fingerprint"),
    [
        ("canary-4711", '"****" (sha256 {0})', True),
        ("file://{1}", '"****" (file://{1}, sha256 {0})', True),
        ("file://{1}-gone", "cannot be read", False),
        ("sm://projects/p/secrets/k/versions/1", '"****" (sm://projects/p/secrets/k/versions/1)', False),
    ],
)
def test_config_show_tells_which_secret_it_is(
    perkie: Perkie, tmp_path: Path, key: str, told: str, fingerprint: bool
) -> None:
    file = tmp_path / "key"
    file.write_text("canary-4711\n")
    digits = hashlib.sha256(b"canary-4711").hexdigest()[:8]
    env = {"GEMINI_API_KEY": key.format("", file), "COLUMNS": "400"}
    done = perkie("config", "show", "gemini.api_key", env=env)
    assert done.returncode == 0
    assert told.format(digits, file) in done.stdout
    assert "canary" not in done.stdout
    (row,) = json.loads(perkie("config", "show", "gemini.api_key", "--json", env=env).stdout)["results"]
    assert (row["value"], row["fingerprint"]) == ("****", digits if fingerprint else None)


def test_config_show_speaks_as_the_file_does(perkie: Perkie, tmp_path: Path) -> None:
    (tmp_path / "perkie.toml").write_text("[profile.shop.cache]\ntemp_lifetime = '36h'\n")
    shown = perkie("--profile", "shop", "config", "show", "cache").stdout
    assert re.search(r'^cache\.temp_lifetime +"36h" +project file \S+ \[profile\.shop\]$', shown, re.MULTILINE)
    rows = json.loads(perkie("config", "show", "cache", "--json").stdout)["results"]
    values = {row["name"]: row["value"] for row in rows}
    assert values["cache.shared_lifetime"] == "30d"
    assert values["cache.protected_buckets"] == ["perkieprints-processing-cache", "perkieprints-customer-images"]
    assert perkie("config", "show", "nonsense").returncode == 3


def test_config_path_shows_the_places_in_use(perkie: Perkie, tmp_path: Path) -> None:
    env = {"PERKIE_CACHE_DIR": "/somewhere", "PERKIE_GENERAL_STYLES_DIR": str(tmp_path)}
    places = {r["what"]: r["path"] for r in json.loads(perkie("config", "path", "--json", env=env).stdout)["results"]}
    assert (places["cache"], places["styles"]) == ("/somewhere", str(tmp_path))
    assert places["models"].endswith("/perkie/models")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m perkie_cli config show | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_option_of_another_command_is_told_as_such(perkie_here: Perkie) -> None:
    done = perkie_here("stylize", "pet.jpg", "-s", "ink_wash", "--via", "batch-api")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such option: --via" in done.stderr
    assert "It is an option of `perkie cache warm`. `perkie stylize --help`" in done.stderr
    assert "It is an option of" not in perkie_here("stylize", "pet.jpg", "--vja").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("stylize pet.png --style ink_wash --jobs 0", "'--jobs' / '-j': must be at least 1, not 0"),
        ("stylize pet.png --style ink_wash --jobs 1.5", "'--jobs' / '-j': must be a whole number"),
        ("stylize pet.png --style ink_wash --budget much", "'--budget': must be a number"),
        ("quota grant 2000000 --customer 42", "'N': must be at most 1000000, not 2000000"),
        ("doctor --time-limit 6000", "'--time-limit': must be at most 600, not 6000"),
        ("serve --port 99999", "http.port = 99999 (--port): must be at most 65535"),
    ],
)
def test_a_number_out_of_range_is_told_with_what_is_allowed(perkie_here: Perkie, words: str, said: str) -> None:
    done = perkie_here(*words.split())
    assert done.returncode == (3 if words.startswith("serve") else 2)
    assert said in done.stderr
    assert "Input" not in done.stderr
