"""Parts that are made once, at first use, and closed in reverse order. ``services`` lists them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, NoReturn


class Part:
    """An attribute made by the function of the same name in ``perkie_cli.bootstrap.MODULE``, which gets all parts.

    The module is imported at first use, so that a command pays only for the parts it needs.
    """

    def __init__(self, module: str) -> None:
        self.module = f"{__package__}.{module}"
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, whole: LazyParts | None, owner: type) -> Any:
        return self if whole is None else whole._make(self)

    def make(self, whole: LazyParts) -> Any:
        """Makes the part's object."""
        return getattr(import_module(self.module), self.name)(whole)


def part(module: str) -> Any:
    """A ``Part`` for the class body; the attribute's annotation is the type of the object."""
    return Part(module)


class LazyParts:
    """Holds parts. They are passed to the constructor or made at first use; none can be replaced later.

    Replacing a part after others were built from it would not work: half of the program would silently keep using the
    old one.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        """``given`` parts are used instead of making them. Raises: TypeError for a name that is not a part."""
        for name in given:
            if not isinstance(getattr(type(self), name, None), Part):
                raise TypeError(f"{name!r} is not a part of {type(self).__name__}")
        kept = vars(self)
        kept.update(_lock=threading.RLock(), _under_way=[], _closing=AsyncExitStack(), _closed_with=set())
        for name, made in given.items():
            self._keep(name, made)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set: pass it when building {type(self).__name__}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} cannot be deleted")

    def is_made(self, name: str) -> bool:
        """Whether the part exists already."""
        return name in vars(self)

    async def aclose(self) -> None:
        """Closes every part that has ``aclose`` or ``close``: users before the parts they use, given parts last.

        A failure does not keep the rest from being closed. Raises: what the failing ones raise.
        """
        await self._closing.aclose()

    def _make(self, wanted: Part) -> Any:
        with self._lock:  # a server builds parts in a thread during warm-up
            kept, name = vars(self), wanted.name
            if name in kept:
                return kept[name]
            if name in self._under_way:
                raise RuntimeError(f"a part needs itself: {' → '.join((*self._under_way, name))}")
            self._under_way.append(name)
            try:
                made = wanted.make(self)  # this registers the parts that it uses before itself
            finally:
                self._under_way.pop()
            self._keep(name, made)
            return made

    def _keep(self, name: str, made: Any) -> None:
        vars(self)[name] = made
        if id(made) in self._closed_with:  # the same object under another name
            return
        self._closed_with.add(id(made))
        if hasattr(made, "aclose"):
            self._closing.push_async_callback(made.aclose)
        elif hasattr(made, "close"):
            self._closing.callback(made.close)

    _lock: threading.RLock
    _under_way: list[str]
    _closing: AsyncExitStack
    _closed_with: set[int]
