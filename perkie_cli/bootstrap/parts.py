"""Parts that are made at first use, once, and closed in the opposite order. What they are, ``services`` lists."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, NoReturn


class Part:
    """An attribute that ``perkie_cli.bootstrap.MODULE`` makes: its function of the same name takes the whole.

    The module is imported when the part is first asked for, so that a command pays only for what it uses.
    """

    def __init__(self, module: str) -> None:
        self.module = f"{__package__}.{module}"
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, whole: Parts | None, owner: type) -> Any:
        return self if whole is None else whole._make(self)

    def make(self, whole: Parts) -> Any:
        """A new one."""
        return getattr(import_module(self.module), self.name)(whole)


def part(module: str) -> Any:
    """A ``Part`` for the class body, where its annotation is the type of what is made."""
    return Part(module)


class Parts:
    """Holds its parts. They are given when it is made, or made when asked for; none can be replaced later.

    A part that something else was already built from would be replaced in vain: half of the program would go on with
    the old one, without a word.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        """``given`` parts stand in for those that would be made. Raises: TypeError for a name that is no part."""
        for name in given:
            if not isinstance(getattr(type(self), name, None), Part):
                raise TypeError(f"{name!r} is no part of {type(self).__name__}")
        kept = vars(self)
        kept.update(_lock=threading.RLock(), _under_way=[], _closing=AsyncExitStack(), _closed_with=set())
        for name, made in given.items():
            self._keep(name, made)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set: give it when {type(self).__name__} is built")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} cannot be deleted")

    async def aclose(self) -> None:
        """Closes every part that has ``aclose`` or ``close``, users before what they use, given ones last.

        Each of them is closed, also after one that fails to. Raises: what the failing ones raise.
        """
        await self._closing.aclose()

    def _make(self, wanted: Part) -> Any:
        with self._lock:  # a server builds in a thread while it warms up
            kept, name = vars(self), wanted.name
            if name in kept:
                return kept[name]
            if name in self._under_way:
                raise RuntimeError(f"a part needs itself: {' → '.join((*self._under_way, name))}")
            self._under_way.append(name)
            try:
                made = wanted.make(self)  # what it uses is kept, and so registered, before itself
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
