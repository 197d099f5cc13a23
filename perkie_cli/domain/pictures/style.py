"""A style is data: the prompts for Gemini and the drawing of the local engine."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter, InvalidSetting, UnknownStyle
from perkie_cli.domain.frozen import frozen

Parameter = float | int | str | bool
BUILT_IN = "built in"
RESERVED = ("all", "popular")  # words for several styles


class BackgroundUse(StrEnum):
    """What the local engine does with the background behind the pet."""

    AUTO = "auto"  # replaced only if the cut-out seems to hold the whole pet
    KEEP = "keep"
    REPLACE = "replace"

    @classmethod
    def parse(cls, text: str) -> BackgroundUse:
        """Reads the name of a background use.

        Raises: InvalidParameter.
        """
        try:
            return cls(text)
        except ValueError:
            names = ", ".join(cls)
            raise InvalidParameter(f"a background is one of {names}, not {text[:40]!r}") from None


@frozen
class Style:
    """One style. ``drawing`` names one of the local engine, ``parameters`` vary it."""

    id: str
    title: str
    prompt: str
    safe_prompt: str
    prompt_version: str
    drawing: str
    aliases: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    popular: bool = False
    source: str = BUILT_IN

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the aliases."""
        return (self.id, *self.aliases)

    def varied(self, **parameters: Parameter) -> Style:
        """This style with some parameters of its drawing changed."""
        return replace(self, parameters={**self.parameters, **parameters})


@frozen
class ParameterFacts:
    """One parameter of a drawing: its default, its range or choices in words, and what it does."""

    name: str
    default: Parameter
    allowed: str
    help: str


@frozen
class StyleFault:
    """Something wrong in a style file. ``field`` is dotted (``local.parameters.ink``), ``line`` counts from 1."""

    file: str
    message: str
    field: str | None = None
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


@frozen
class BrokenStyle:
    """A style file that cannot be used. ``names``: those that it claims, or the file's if none can be read."""

    source: str
    names: tuple[str, ...]
    faults: tuple[StyleFault, ...]

    @property
    def id(self) -> str:
        """The style's id, or the file's name."""
        return self.names[0]

    @property
    def error(self) -> InvalidSetting:
        """Its first fault as an error; the hint leads to all of them."""
        first, more = self.faults[0], len(self.faults) - 1
        others = f" ({more} more)" if more else ""
        hint = f"{first.hint.rstrip('.')}. " if first.hint else ""
        return InvalidSetting(f"style file {first}{others}", hint=f"{hint}`perkie styles check` finds all faults.")


class StyleCatalogue:
    """The styles in order, looked up by id or alias; ``broken`` files are left out of it, but known by name."""

    def __init__(self, styles: Iterable[Style], broken: Iterable[BrokenStyle] = ()) -> None:
        self._styles = {style.id: style for style in styles}
        self.broken = tuple(broken)

    def all(self) -> Sequence[Style]:
        """All styles in the order of the files, shipped ones first."""
        return tuple(self._styles.values())

    def get(self, name: str) -> Style:
        """The style of that id or alias (case and ``-``/``_`` do not matter).

        Raises: UnknownStyle, with the nearest name; InvalidSetting if its file is broken.
        """
        wanted = plain_name(name)
        for style in self._styles.values():
            if wanted in map(plain_name, style.names):
                return style
        for broken in self.broken:
            if wanted in map(plain_name, broken.names):
                raise broken.error
        names = [n for style in self._styles.values() for n in style.names]
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        raise UnknownStyle(f"unknown style {name[:60]!r}", hint=f"{guess}{self._known()}")

    def select(self, names: str) -> Sequence[Style]:
        """The styles of a comma-separated list of names, ``popular`` and ``all``; each once, in the order given."""
        chosen = [style for name in names.split(",") if name.strip() for style in self._group(name)]
        if not chosen:
            raise UnknownStyle("no style was named", hint=self._known())
        return tuple({style.id: style for style in chosen}.values())

    def _group(self, name: str) -> Sequence[Style]:
        match plain_name(name):
            case "all":
                return self.all()
            case "popular":
                return tuple(style for style in self.all() if style.popular)
        return (self.get(name.strip()),)

    def _known(self) -> str:
        return f"Styles: {', '.join(self._styles)}."


def plain_name(name: str) -> str:
    """A form that is equal for names that differ only in case, ``-`` and ``_``."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


class Strategy(StrEnum):
    """Which styles are drawn right after the upload: more cost money, fewer make the customer wait."""

    ON_DEMAND = "on_demand"
    PREGENERATE = "pregenerate"
    HYBRID = "hybrid"

    def at_once(self, book: StyleCatalogue) -> Sequence[Style]:
        """None, all, or the popular styles."""
        if self is Strategy.ON_DEMAND:
            return ()
        return book.all() if self is Strategy.PREGENERATE else book.select("popular")
