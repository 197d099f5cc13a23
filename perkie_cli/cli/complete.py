"""What the shell completes besides names of options."""

from __future__ import annotations

import os

from perkie_cli.config.load import user_config_dir


def styles(incomplete: str) -> list[tuple[str, str]]:
    """Style ids and aliases after the last comma, each with the style's title."""
    from perkie_cli.config.styles import load_styles

    head, comma, tail = incomplete.rpartition(",")
    book = load_styles(user_config_dir(os.environ) / "styles")
    names = [(name, style.title) for style in book.all() for name in style.names]
    names += [("all", "every style"), ("popular", "the popular ones")]
    return [(head + comma + name, title) for name, title in names if name.startswith(tail)]
