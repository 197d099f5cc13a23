"""``@frozen``: what ``@dataclass(frozen=True, slots=True)`` declares, at a third of the time that it costs each start.

A dataclass writes and compiles its methods anew for every class. That takes half a millisecond for a frozen one, and a
command imports two hundred. Here only ``__init__`` is compiled, and all classes share the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar, dataclass_transform, overload

Kind = TypeVar("Kind")


@overload
def frozen(kind: type[Kind], /) -> type[Kind]: ...
@overload
def frozen(*, eq: bool = True, init: bool = True, kw_only: bool = False) -> Callable[[type[Kind]], type[Kind]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: Any = None, /, *, eq: bool = True, init: bool = True, kw_only: bool = False) -> Any:
    """A dataclass with slots, equal and hashed by its values. Only type checkers keep it frozen.

    With ``eq=False`` it equals only itself, which arrays need. The other parameters are ``dataclass``'s.
    """
    if kind is None:
        return partial(_declared, eq=eq, init=init, kw_only=kw_only)
    return _declared(kind, eq=eq, init=init, kw_only=kw_only)


def _declared(kind: type[Kind], *, eq: bool, init: bool, kw_only: bool) -> type[Kind]:
    shared = {"__repr__": _repr, **({"__eq__": _eq, "__hash__": _hash} if eq else {})}
    for name, method in shared.items():
        if name not in vars(kind):
            setattr(kind, name, method)
    return dataclass(eq=False, repr=False, init=init, kw_only=kw_only, slots=True)(kind)


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _values(record: Any) -> tuple[Any, ...]:
    return tuple([getattr(record, name) for name in record.__dataclass_fields__])
