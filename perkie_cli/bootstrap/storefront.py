"""The parts of the composition root behind the shop's theme."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from perkie_cli.bootstrap.matting import MattingParts

if TYPE_CHECKING:
    from perkie_cli.services.pictures.generate import Generate
    from perkie_cli.services.pictures.originals import Originals
    from perkie_cli.services.shop.process import Process
    from perkie_cli.services.shop.storefront import Storefront
    from perkie_cli.services.storage.uploads import Uploads


class StorefrontParts(MattingParts):
    """Uploads, and the cut-out and portraits of one request."""

    if TYPE_CHECKING:

        @cached_property
        def generate(self) -> Generate: ...  # noqa: D102  # made by Services itself

    @cached_property
    def originals(self) -> Originals:
        """Uploads in the store."""
        from perkie_cli.services.pictures.originals import Originals

        return Originals(self.blobs, self.workers, self.clock, self.events, self.limits)

    @cached_property
    def uploads(self) -> Uploads:
        """Pictures that the storefront brings along."""
        from perkie_cli.services.storage.uploads import Uploads

        return Uploads(self.blobs, self.originals, self.workers, self.limits)

    @cached_property
    def storefront(self) -> Storefront:
        """What the shop's visitor gets."""
        from perkie_cli.services.shop.storefront import Storefront

        return Storefront(self.generate, self.originals, self.io, self.limits)

    @cached_property
    def process(self) -> Process:
        """Cut out, then drawn."""
        from perkie_cli.services.shop.process import Process

        return Process(self.storefront, self.cutouts, self.clock)
