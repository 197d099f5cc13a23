"""The experiments that come with perkie."""

from __future__ import annotations

from importlib import resources


def shipped() -> dict[str, str]:
    """The text of each, by name."""
    folder = resources.files("perkie_cli") / "data" / "experiments"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return {each.name.removesuffix(".yaml"): each.read_text("utf-8") for each in files}


def title_of(text: str) -> str:
    """Its first line, without reading the rest: YAML is read only with the extra."""
    return text.partition("\n")[0].removeprefix("title: ")
