from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perkie_cli.cli.commands.config import template
from perkie_cli.config.load import Loaded, load
from perkie_cli.config.schema import Settings, rows
from perkie_cli.domain.errors import InvalidSetting, UnreadableFile
from perkie_cli.domain.secret import Secret


def loaded(project: str = "", env: dict[str, str] | None = None, tmp: Path | None = None, **kw: object) -> Loaded:
    folder = tmp or Path("/nonexistent")
    if project:
        (folder / "perkie.toml").write_text(project)
    return load(project_dir=folder, environ={"XDG_CONFIG_HOME": "/nonexistent"} | (env or {}), **kw)  # type: ignore[arg-type]


def test_each_layer_wins_over_the_next_and_is_named(tmp_path: Path) -> None:
    user = tmp_path / "home" / "perkie"
    user.mkdir(parents=True)
    (user / "config.toml").write_text("[style]\nsize = 300\nengine = 'local'\n[image]\nmin_side = 9\n")
    (tmp_path / "perkie.toml").write_text("[style]\nsize = 400\nengine = 'local'\n")
    env = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "PERKIE_STYLE_SIZE": "500"}
    result = load(project_dir=tmp_path, environ=env, flags={"style.size": 600, "style.engine": None})
    assert (result.settings.style.size, result.origins["style.size"]) == (600, "--size")
    assert result.origins["style.engine"].startswith("project file")
    assert result.origins["image.min_side"].startswith("user file")
    assert result.origins["image.max_side"] == "default"
    told = load(project_dir=tmp_path, environ={**env, "PERKIE_OFFLINE": "1"}, flags={"general.offline": False})
    assert (told.settings.general.offline, told.origins["general.offline"]) == (False, "--offline")
    without = load(project_dir=tmp_path, environ=env)
    assert (without.settings.style.size, without.origins["style.size"]) == (500, "environment PERKIE_STYLE_SIZE")


def test_names_that_others_honour_are_honoured_after_our_own() -> None:
    both = {"GEMINI_API_KEY": "theirs", "PERKIE_GEMINI_API_KEY": "ours"}
    key = loaded(env=both).settings.gemini.api_key
    assert key is not None
    assert key.reveal() == "ours"
    unset = {"PERKIE_GEMINI_API_KEY": "", "GOOGLE_API_KEY": "k"}
    assert loaded(env=unset).origins["gemini.api_key"] == "environment GOOGLE_API_KEY"


def test_a_profile_wins_over_the_base_of_its_file(tmp_path: Path) -> None:
    text = "[style]\nsize = 400\n[profile.production.style]\nsize = 900\n[profile.dev.style]\nsize = 700\n"
    assert loaded(text, tmp=tmp_path).settings.style.size == 400
    assert loaded(tmp=tmp_path, profile="production").settings.style.size == 900
    env = {"PERKIE_PROFILE": "production"}
    assert loaded(tmp=tmp_path, env=env).settings.style.size == 900
    assert loaded(tmp=tmp_path, env=env, profile="dev").settings.style.size == 700
    with pytest.raises(InvalidSetting) as caught:
        loaded(tmp=tmp_path, profile="prod")
    assert loaded(tmp=tmp_path, env={"PERKIE_PROFILE": ""}).settings.style.size == 400, "empty is not set"
    assert "production" in (caught.value.hint or "")


def test_types() -> None:
    env = {
        "PERKIE_CACHE_TEMP_LIFETIME": "36h",
        "PERKIE_IMAGE_MAX_BYTES": "2MiB",
        "PERKIE_GEMINI_DAILY_CAP_USD": "2.50",
        "PERKIE_OFFLINE": "yes",
        "PERKIE_CACHE_DIR": "~/x",
        "PERKIE_HTTP_SHOPS": "a.myshopify.com, b.myshopify.com,",
        "GEMINI_API_KEY": "from-a-file\n",
        "PERKIE_STYLE_SIZE": "256",
    }
    settings = loaded(env=env).settings
    assert settings.cache.temp_lifetime == timedelta(hours=36)
    assert settings.image.max_bytes == 2 * 2**20
    assert settings.gemini.daily_cap_usd == Decimal("2.50")
    assert settings.general.offline is True
    assert settings.cache.dir == Path.home() / "x"
    assert settings.http.shops == ("a.myshopify.com", "b.myshopify.com")
    assert settings.gemini.api_key == Secret("from-a-file")
    assert settings.style.size == 256, "the least"


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"PERKIE_STYLE_SIZE": "1kB"}, "not a whole number"),
        ({"PERKIE_IMAGE_MAX_BYTES": "big"}, "is not a size"),
        ({"PERKIE_STYLE_SIZE": "3"}, "at least 256"),
        ({"PERKIE_STYLE_ENGINE": "magic"}, "not one of auto, gemini, local"),
        ({"PERKIE_OFFLINE": "maybe"}, "not true or false"),
        ({"PERKIE_GEMINI_DAILY_CAP_USD": "ten"}, "not a number"),
        ({"PERKIE_CACHE_TEMP_LIFETIME": "soon"}, "not a duration"),
        ({"PERKIE_CACHE_DIR": "~nobody-of-that-name/x"}, "home directory"),
    ],
)
def test_a_wrong_value_names_the_setting_and_where_it_came_from(env: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidSetting, match=next(iter(env))) as caught:
        loaded(env=env)
    assert reason in caught.value.message


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting) as caught:
        loaded("[style]\nsizes = 3\n", tmp=tmp_path)
    assert "style.size" in (caught.value.hint or "")
    with pytest.raises(InvalidSetting, match="not valid TOML"):
        loaded("[style\n", tmp=tmp_path)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PERKIE_STYLE_SISE", "PERKIE_STYLE_SIZE"),
        ("PERKIE_GEMINI_DAILY_CAP", "PERKIE_GEMINI_DAILY_CAP_USD"),
        ("PERKIE_QUOTA_CUSTOMERS", "PERKIE_QUOTA_CUSTOMER"),
    ],
)
def test_a_misspelt_variable_of_a_group_is_an_error_as_in_a_file(name: str, near: str) -> None:
    with pytest.raises(InvalidSetting, match=name) as caught:
        loaded(env={name: ""})
    assert f"Did you mean '{near}'?" in (caught.value.hint or "")


def test_other_unknown_variables_are_warned_about_and_those_of_kubernetes_are_not() -> None:
    pod = {"PERKIE_PORT": "tcp://10.0.0.1:80", "PERKIE_SERVICE_HOST": "10.0.0.1", "PERKIE_HTTP_SERVICE_PORT": "80"}
    pod |= {"PERKIE_HTTP_PORT_80_TCP_ADDR": "10.0.0.1", "PERKIE_SERVICE_PORT_WEB": "80"}
    assert loaded(env=pod).warnings == ()
    (warning,) = loaded(env={"PERKIE_OFLINE": "1", "_PERKIE_COMPLETE": "bash_complete", "PERKIE": "x"}).warnings
    assert warning.startswith("the environment variable PERKIE_OFLINE is no setting")
    assert "Did you mean 'PERKIE_OFFLINE'?" in warning


@given(st.sampled_from([row.env_names[0] for row in rows()]), st.integers(0, 100), st.sampled_from("XQ_7"))
def test_no_slip_of_one_key_passes_in_silence(name: str, place: int, typed: str) -> None:
    at = len("PERKIE_") + place % (len(name) - len("PERKIE_"))
    slip = name[:at] + typed + name[at + 1 :]
    assume(slip not in {known for row in rows() for known in row.env_names})
    try:
        told = " ".join(loaded(env={slip: "1"}).warnings)
    except InvalidSetting as error:
        told = error.message
    assert slip in told


@pytest.mark.parametrize("table", ["", "profile.mine."])
@pytest.mark.parametrize("name", [row.name for row in rows() if row.names_place])
def test_a_folders_own_file_does_not_decide_where_photos_and_keys_are_sent(
    tmp_path: Path, table: str, name: str
) -> None:
    group, _, field = name.partition(".")
    text = f"[profile.mine]\n[{table}{group}]\n{field} = 'http://127.0.0.1:9'\n"
    with pytest.raises(InvalidSetting, match=rf"{name} decides where") as caught:
        loaded(text, tmp=tmp_path, profile="mine")
    assert "perkie.toml" in caught.value.message
    variable = next(row.env_names[0] for row in rows() if row.name == name)
    assert loaded(tmp=tmp_path, env={variable: "1"}, profile="mine").origins[name].startswith("environment")
    if name != "gemini.vertexai":
        named = load(config=tmp_path / "perkie.toml", profile="mine", environ={})
        assert load(environ={"PERKIE_CONFIG": str(tmp_path / "perkie.toml")}, profile="mine") == named


def test_every_setting_that_leads_away_from_this_machine_is_known_as_one() -> None:
    """An address, a bucket, a project or a credential to reach one."""
    led = re.compile(r"address of|other .*address|bucket of|project|api key|developer key|location", re.IGNORECASE)
    found = {row.name for row in rows() if led.search(row.help) and not row.name.startswith("http.")}
    assert found - {"quota.ip"} <= {row.name for row in rows() if row.names_place} | {"gemini.ledger"}


def test_a_named_config_file_must_exist_and_replaces_the_others(tmp_path: Path) -> None:
    (tmp_path / "perkie.toml").write_text("[style]\nsize = 400\n")
    only = tmp_path / "only.toml"
    only.write_text("[image]\nmin_side = 10\n")
    result = load(config=only, project_dir=tmp_path, environ={})
    assert (result.settings.style.size, result.settings.image.min_side) == (1024, 10)
    with pytest.raises(UnreadableFile):
        load(config=tmp_path / "gone.toml", environ={})


def test_a_current_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UnreadableFile, match="the current folder does not exist any more"):
        load()


def test_secrets_do_not_show() -> None:
    settings = loaded(env={"GEMINI_API_KEY": "canary"}).settings
    assert "canary" not in f"{settings!r} {settings.gemini} {settings.gemini.api_key}"
    with pytest.raises(InvalidSetting) as caught:
        load(environ={}, project_dir=Path("/nonexistent"), flags={"gemini.api_key": 12})
    assert "12" not in caught.value.message


def test_the_template_names_every_setting_and_states_the_defaults(tmp_path: Path) -> None:
    text = template()
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)
    tables = tomllib.loads(uncommented)
    assert {f"{group}.{name}" for group, content in tables.items() for name in content} == {row.name for row in rows()}
    (tmp_path / "t.toml").write_text(uncommented)
    assert load(config=tmp_path / "t.toml", environ={}).settings == Settings()


def test_every_row_has_help_and_an_environment_name() -> None:
    names = [name for row in rows() for name in row.env_names]
    twice = {name for name in names if names.count(name) > 1}
    assert twice == set(), f"two settings read {', '.join(twice)}"
    wrong = [row.name for row in rows() if not row.help or row.help.endswith(".")]
    assert wrong == [], f"one line of help without a full stop is needed for {', '.join(wrong)}"
    assert not set(names) & set(os.environ)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("profile = 3", "profile must hold tables"),
        ("[profile]\nx = 3", "profile must hold tables"),
        ("[style]\nsize = [1]", "not a whole number"),
        ("[style]\nsize = 2024-01-01", "not a whole number"),
        ("[style]\nsize = 1e400", "not a whole number"),
        ("[style]\nsize = nan", "not a whole number"),
        ("[style]\nsize = 300.5", "not a whole number"),
        ("[style]\nsize = '300.5'", "not a whole number"),
        ("[style]\nsize = true", "not a whole number"),
        ("[style.size]\nx = 1", "not a whole number"),
        ("style = 3", "unknown setting 'style'"),
        ("[cache]\ntemp_lifetime = '99999999999d'", "longer than 1000 years"),
        ("[image]\nmax_bytes = '9999999999GB'", "below 8 EiB"),
        ("[cache]\nprotected_buckets = 3", "not a list"),
        ("[gemini]\ndaily_cap_usd = nan", "not a number"),
        ("[cache]\ndir = 3", "not text"),
    ],
)
def test_any_wrong_file_is_told_in_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=r"perkie\.toml") as caught:
        loaded(text, tmp=tmp_path)
    assert reason in caught.value.message


def test_an_empty_text_unsets_what_may_be_unset(tmp_path: Path) -> None:
    settings = loaded("[cache]\ndir = ''\nbucket = ''\n", tmp=tmp_path).settings
    assert (settings.cache.dir, settings.cache.bucket) == (None, None)


@pytest.mark.parametrize(("profile", "store"), [(None, "disk"), ("production", "gcs")])
def test_the_example_loads(profile: str | None, store: str) -> None:
    example = Path(__file__).parents[3] / "examples" / "perkie.toml"
    settings = load(config=example, profile=profile, environ={}).settings
    assert (settings.cache.store, settings.quota.customer) == (store, 5)
