"""What a command makes, as values: makers of them are made here and on the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import Fallback

if TYPE_CHECKING:
    from perkie_cli.batch.cutouts import CutoutMaker
    from perkie_cli.batch.pets import PetMaker
    from perkie_cli.batch.pictures import Drawing, PictureMaker
    from perkie_cli.bootstrap import Services


@frozen
class Pictures:
    """Draws each of so many ``jobs``. A batch without substitutes waits for the upstream's quota."""

    drawing: Drawing
    jobs: int
    steps: frozenset[Fallback]

    def __call__(self, services: Services) -> PictureMaker:
        """The maker."""
        from perkie_cli.batch.pictures import PictureMaker  # late: who only cuts out draws nothing

        patient = self.jobs > 1 and not self.steps
        limits = services.quota_limits.charge
        return PictureMaker(services.generate, services.workers, self.drawing, self.steps, patient, limits)


@frozen
class Cutting:
    """Cuts out."""

    request: Callable[[Photo], CutoutRequest]

    def __call__(self, services: Services) -> CutoutMaker:
        """The maker."""
        from perkie_cli.batch.cutouts import CutoutMaker

        return CutoutMaker(services.cutouts, self.request)


@frozen
class Pets:
    """All of a pet."""

    cutting: Cutting
    pictures: Pictures

    def __call__(self, services: Services) -> PetMaker:
        """The maker."""
        from perkie_cli.batch.pets import PetMaker

        return PetMaker(self.cutting(services), self.pictures(services))
