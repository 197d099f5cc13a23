"""perkie: the back end of a pet-portrait shop as one toolkit.

::

    import perkie_cli

    perkie_cli.stylize("pet.jpg", "ink_wash").save("portrait.jpg")
    perkie_cli.remove_background("pet.jpg").save("cutout.png")

``open_services`` gives everything behind the command line and the server, for programs with an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perkie_cli.api import Result, open_services, remove_background, stylize

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "open_services", "remove_background", "stylize"]


def __getattr__(name: str) -> Any:
    """The public functions are imported when they are asked for: ``import perkie_cli`` costs nothing."""
    if name in __all__:
        from perkie_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
