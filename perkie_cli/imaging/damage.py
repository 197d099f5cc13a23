"""Turns everything that decoders raise into ``CorruptImage`` or ``NotAnImage``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perkie_cli.domain.errors import CorruptImage, NotAnImage, PerkieError

ACCEPTED = "JPEG, PNG, WebP and HEIC"


class Damage(ValueError):
    """The problem of a damaged file, in words for its owner."""


class Unsupported(ValueError):
    """The kind of an intact but unsupported file, such as "a lossless JPEG"."""


@contextmanager
def damage_named(source: str, otherwise: str) -> Iterator[None]:
    """Raises CorruptImage naming ``source`` for every error in the block: ``Damage`` in its own words; NotAnImage for
    ``Unsupported``.

    Parsers of hostile bytes raise nearly anything, so all of it is caught, except running out of memory.
    """
    try:
        yield
    except (MemoryError, PerkieError):
        raise
    except Unsupported as error:
        raise not_an_image(source, str(error)) from error
    except Exception as error:
        reason = str(error) if isinstance(error, Damage) else otherwise
        raise CorruptImage(f"{source} is damaged: {reason}", hint="Save or download it again.") from error


def not_an_image(source: str, name: str) -> NotAnImage:
    """The error for another kind of file; ``name`` is that kind with its article."""
    return NotAnImage(f"{source} is {name}", hint=f"{ACCEPTED} are read; save it as one of these.")
