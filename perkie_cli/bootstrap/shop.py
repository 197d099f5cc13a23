"""Behind the shop's theme: uploads, and the cut-out and portraits of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.services.pictures.originals import Originals
from perkie_cli.services.shop.idempotency import Idempotency, IdempotencyRecords
from perkie_cli.services.shop.process import Process
from perkie_cli.services.shop.storefront import Storefront
from perkie_cli.services.storage.uploads import Uploads

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def originals(its: Services) -> Originals:
    """Uploads in the store."""
    return Originals(its.blobs, its.workers, its.clock, its.events, its.limits)


def uploads(its: Services) -> Uploads:
    """Pictures that the storefront brings along."""
    return Uploads(its.blobs, its.originals, its.workers, its.limits)


def storefront(its: Services) -> Storefront:
    """What the shop's visitor gets."""
    return Storefront(its.generate, its.originals, its.io, its.limits)


def process(its: Services) -> Process:
    """Cut out, then drawn."""
    return Process(its.storefront, its.cutouts, its.clock)


def idempotency(its: Services) -> Idempotency:
    """One key, one piece of work, over all processes."""
    return Idempotency(IdempotencyRecords(its.documents, its.clock, its.events), its.clock)
