"""A style is data: what to ask of Gemini, and how the local engine draws it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter, UnknownStyle

Parameter = float | int | str | bool
BUILT_IN = "built in"
RESERVED = ("all", "popular")  # words for several styles


class BackgroundUse(StrEnum):
    """What the local engine does with what is behind the pet."""

    AUTO = "auto"  # replaced where nothing of the pet is missing
    KEEP = "keep"
    REPLACE = "replace"

    @classmethod
    def parse(cls, text: str) -> BackgroundUse:
        """Raises: InvalidParameter."""
        try:
            return cls(text)
        except ValueError:
            names = ", ".join(cls)
            raise InvalidParameter(f"a background is one of {names}, not {text[:40]!r}") from None


@dataclass(frozen=True, slots=True)
class Style:
    """One style. ``recipe`` names a drawing of the local engine, ``parameters`` vary it."""

    id: str
    title: str
    prompt: str
    safe_prompt: str
    prompt_version: str
    recipe: str
    aliases: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    popular: bool = False
    source: str = BUILT_IN

    @property
    def names(self) -> tuple[str, ...]:
        """Every name a user may type."""
        return (self.id, *self.aliases)

    def varied(self, **parameters: Parameter) -> Style:
        """The same style with these parameters of its recipe changed."""
        return replace(self, parameters={**self.parameters, **parameters})


class StyleBook:
    """The styles in order, looked up by id or alias."""

    def __init__(self, styles: Iterable[Style]) -> None:
        self._styles = {style.id: style for style in styles}

    def all(self) -> Sequence[Style]:
        """In the order of the files: shipped ones first."""
        return tuple(self._styles.values())

    def get(self, name: str) -> Style:
        """The style of that id or alias (case and ``-``/``_`` do not matter).

        Raises: UnknownStyle, with the nearest name.
        """
        wanted = plain_name(name)
        for style in self._styles.values():
            if wanted in map(plain_name, style.names):
                return style
        names = [n for style in self._styles.values() for n in style.names]
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        raise UnknownStyle(f"unknown style {name[:60]!r}", hint=f"{guess}{self._known()}")

    def select(self, names: str) -> Sequence[Style]:
        """``all``, ``popular`` or a comma-separated list; each style once, in the order asked for."""
        if plain_name(names) == "all":
            return self.all()
        if plain_name(names) == "popular":
            return tuple(style for style in self.all() if style.popular)
        chosen = [self.get(name.strip()) for name in names.split(",") if name.strip()]
        if not chosen:
            raise UnknownStyle("no style was named", hint=self._known())
        return tuple({style.id: style for style in chosen}.values())

    def _known(self) -> str:
        return f"Styles: {', '.join(self._styles)}."


def plain_name(name: str) -> str:
    """Equal for names that a user takes for the same."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


class Strategy(StrEnum):
    """What is drawn right after the upload: the trade between waiting and paying for pictures that nobody asks for."""

    ON_DEMAND = "on_demand"
    PREGENERATE = "pregenerate"
    HYBRID = "hybrid"

    def at_once(self, book: StyleBook) -> Sequence[Style]:
        """None, all, or the popular styles."""
        if self is Strategy.ON_DEMAND:
            return ()
        return book.all() if self is Strategy.PREGENERATE else book.select("popular")
