"""perkie for Python programs: the same services, settings and cache as the command line's.

``stylize`` and ``remove_background`` are for programs without an event loop; in one that has a loop, open the services
once and await them.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.batch.files import read_photo, write_atomically
from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.load import load
from perkie_cli.domain.cutouts.request import Background, CutoutRequest
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.imaging import codec
from perkie_cli.services.pictures.found import deliver

T = TypeVar("T")


@frozen
class Result:
    """A finished picture: ``data`` is a JPEG, or a PNG where there is alpha; ``facts`` say who made it, how, at what
    cost, and whether it is a substitute (``facts.degraded``).
    """

    picture: EncodedPicture = field(repr=False)
    facts: PictureFacts | CutoutFacts

    @property
    def data(self) -> bytes:
        """The encoded picture."""
        return self.picture.data

    def save(self, path: str | Path) -> Path:
        """Writes it whole or not at all, in the format of the ending: jpg, png or webp.

        Raises: InvalidParameter, UnwritableFile.
        """
        path = Path(path)
        write_atomically(path, deliver(self.picture, _format(path)).data)
        return path


def stylize(
    photo: str | Path | bytes,
    style: str,
    *,
    engine: str | None = None,
    model: str | None = None,
    size: int | None = None,
    remove_background: bool = False,
    background: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Result:
    """Redraws the pet in a style.

    ``photo`` is a path, or the bytes of a JPEG, PNG, WebP or HEIC file; ``style`` an id or alias; ``size`` the long
    side in px; ``background`` is ``auto``, ``keep`` or ``replace``, for the local engine. ``settings`` by dotted name
    (``{"cache.dir": "/tmp/perkie"}``) win over variables and files.

    Raises: PerkieError, see ``perkie_cli.domain.errors``; RuntimeError where an event loop runs already.
    """

    async def work(services: Services) -> Result:
        request = GenerateRequest(
            _taken(photo, services.limits),
            style,
            engine=engine,
            model=model,
            size=size,
            remove_background=remove_background,
            background=None if background is None else BackgroundUse.parse(background),
            cover_setup=False,
        )
        made = await services.generate(request)
        return Result(made.master, made.facts())

    return _run(work, settings)


def remove_background(
    photo: str | Path | bytes,
    *,
    engine: str | None = None,
    mode: str | None = None,
    background: str = "transparent",
    settings: Mapping[str, Any] | None = None,
) -> Result:
    """Cuts the pet out at full resolution. ``background``: ``transparent``, ``blur`` or a colour such as ``#ffffff``.

    Raises: PerkieError, see ``perkie_cli.domain.errors``; RuntimeError where an event loop runs already.
    """

    async def work(services: Services) -> Result:
        taken = _taken(photo, services.limits)
        request = CutoutRequest(taken, engine, mode, background=Background.parse(background), cover_setup=False)
        made = await services.cutouts(request)
        return Result(made.picture, made.facts())

    return _run(work, settings)


@asynccontextmanager
async def open_services(settings: Mapping[str, Any] | None = None) -> AsyncIterator[Services]:
    """All services, closed at the block's end::

        async with perkie_cli.open_services() as services:
            photo = codec.photo(data, services.limits)
            made = await services.generate(GenerateRequest(photo, "ink_wash"))

    Raises: InvalidSetting, UnreadableFile.
    """
    loaded = load(flags=settings)
    for text in loaded.warnings:
        warnings.warn(text, stacklevel=2)
    services = build_services(loaded.settings)
    try:
        yield services
    finally:
        await services.aclose()


def _run(work: Callable[[Services], Awaitable[T]], settings: Mapping[str, Any] | None) -> T:
    async def whole() -> T:
        async with open_services(settings) as services:
            return await work(services)

    coroutine = whole()
    try:
        return asyncio.run(coroutine)
    except RuntimeError:
        coroutine.close()
        raise


def _taken(photo: str | Path | bytes, limits: ImageLimits) -> Photo:
    if isinstance(photo, bytes):
        return codec.photo(photo, limits)
    return read_photo(Path(photo), limits)


def _format(path: Path) -> ImageFormat:
    ending = path.suffix.lstrip(".").lower()
    try:
        return ImageFormat("jpg" if ending == "jpeg" else ending)
    except ValueError:
        raise InvalidParameter(f"{path.name!r} ends in no format that is written", hint="jpg, png or webp.") from None
