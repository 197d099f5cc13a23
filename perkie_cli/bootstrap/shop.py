"""Parts behind the shop's theme: uploads, and the cut-out and portraits of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.services.pictures.originals import Originals
from perkie_cli.services.shop.idempotency import Idempotency
from perkie_cli.services.shop.key_uses import KeyUses
from perkie_cli.services.shop.process import Process
from perkie_cli.services.shop.storefront import Storefront
from perkie_cli.services.storage.uploads import Uploads

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def originals(its: Services) -> Originals:
    """Stored uploads."""
    return Originals(its.blobs, its.workers, its.clock, its.events, its.limits, its.drawing_turns)


def uploads(its: Services) -> Uploads:
    """Uploads through the storefront."""
    return Uploads(its.blobs, its.originals, its.workers, its.limits)


def storefront(its: Services) -> Storefront:
    """Pictures for the shop's visitors."""
    return Storefront(its.generate, its.originals, its.io, its.limits)


def process(its: Services) -> Process:
    """Cuts out a pet, then draws it."""
    return Process(its.storefront, its.cutouts, its.clock)


def idempotency(its: Services) -> Idempotency:
    """Runs the work of each idempotency key once, across all processes."""
    return Idempotency(its.leases, its.clock)


def key_uses(its: Services) -> KeyUses:
    """When API keys were last used."""
    return KeyUses(its.documents)
