"""The one place where whatever a decoder raises becomes ``CorruptImage``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perkie_cli.domain.errors import CorruptImage, PerkieError


class Damage(ValueError):
    """What is wrong with a file, in words for its owner."""


@contextmanager
def damage_named(source: str, otherwise: str) -> Iterator[None]:
    """Raises CorruptImage naming ``source`` for every error in the block: ``Damage`` in its own words.

    Parsers of hostile bytes raise nearly anything, so all of it is caught, except running out of memory.
    """
    try:
        yield
    except (MemoryError, PerkieError):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, Damage) else otherwise
        raise CorruptImage(f"{source} is damaged: {reason}", hint="Save or download it again.") from error
