"""Turns bodies into requests for the services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from perkie_cli.domain.people.identity import Tier
from perkie_cli.domain.people.proof import Requester
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import Identity
from perkie_cli.http.request.bodies import keep_of_body, off_loop_if_large
from perkie_cli.http.request.call import Call
from perkie_cli.http.request.fields import PICTURE_FIELDS, Fields, Upload, picture_of
from perkie_cli.services.storage.uploads import photo_of


def requester_of(call: Call, body: Identity) -> Requester:
    """The requester; the request is counted against the rate of its session or customer.

    Raises: Forbidden, InvalidIdentity, RateLimited.
    """
    requester = call.requester(body.customer_id, body.session_id)
    if requester.owner.tier is not Tier.IP:
        call.meter(session=str(requester.owner))
    return requester


async def photo_in(call: Call, fields: Fields, image_hash: str | None, requester: Requester) -> Photo:
    """The photo in the body, or one that the owner sent before.

    Raises: InvalidFields when there is neither or both, NotFound, MalformedBody, the BadInput family.
    """
    upload = await off_loop_if_large(call.request, picture_of, fields, PICTURE_FIELDS, call.parts.settings.max_image)
    keep_of_body(call.request, len(upload.data) if upload is not None else 0)
    if (upload is None) is (image_hash is None):
        raise InvalidFields("exactly one of image_data, image (a file) and image_hash is needed")
    storefront = call.parts.services.storefront
    if upload is not None:
        return await storefront.uploaded(upload.data, upload.name)
    return await storefront.stored(requester.owner, str(image_hash))


def generate_request(
    requester: Requester,
    photo: Photo,
    style: str,
    deadline: timedelta | None = None,
    *,
    since: float | None = None,
    remove_background: bool = False,
    background: BackgroundUse | None = None,
) -> GenerateRequest:
    """The request for one style for one requester. ``since``: monotonic time from which the deadline runs."""
    return GenerateRequest(
        photo,
        style,
        requester.owner,
        remove_background=remove_background,
        background=background,
        deadline=None if deadline is None else deadline.total_seconds(),
        since=since,
        charge=requester.charge,
    )


def select_styles(call: Call, named: str | Sequence[str]) -> list[str]:
    """Style ids from a list or a comma-separated text.

    Raises: UnknownStyle.
    """
    text = named if isinstance(named, str) else ",".join(named)
    return [style.id for style in call.parts.services.styles.select(text)]


async def as_photo(call: Call, upload: Upload) -> Photo:
    """A photo to cut out.

    Raises: the BadInput family.
    """
    services = call.parts.services
    return await photo_of(upload.data, services.limits, upload.name, services.io)


async def as_backdrop(call: Call, upload: Upload) -> Photo:
    """A picture to put behind the pet, of any size.

    Raises: the BadInput family.
    """
    services = call.parts.services
    return await photo_of(upload.data, replace(services.limits, min_side=1), upload.name, services.io)
