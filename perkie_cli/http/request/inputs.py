"""From a body to what the services work on."""

from __future__ import annotations

from collections.abc import Sequence

from perkie_cli.domain.people.identity import Tier
from perkie_cli.domain.people.proof import Requester
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import Identity
from perkie_cli.http.request.bodies import Fields, picture_of
from perkie_cli.http.request.call import Call
from perkie_cli.services.shop.storefront import Source

PICTURE_FIELDS = ("image", "image_data")


def requester_of(call: Call, body: Identity) -> Requester:
    """Whose request this is, counted against the rate of its session or customer.

    Raises: Forbidden, InvalidIdentity, RateLimited.
    """
    requester = call.requester(body.customer_id, body.session_id)
    if requester.owner.tier is not Tier.IP:
        call.meter(session=str(requester.owner))
    return requester


async def source_of(call: Call, fields: Fields, image_hash: str | None, requester: Requester) -> Source:
    """The picture in the body, or the one that the owner sent before.

    Raises: InvalidFields when there is neither or both, NotFound, MalformedBody, TooManyBytes.
    """
    upload = picture_of(fields, PICTURE_FIELDS, call.parts.settings.max_image)
    if (upload is None) is (image_hash is None):
        raise InvalidFields("exactly one of image_data, image (a file) and image_hash is needed")
    storefront = call.parts.services.storefront
    if upload is not None:
        return await storefront.uploaded(upload.data, upload.source)
    return await storefront.stored(requester.owner, str(image_hash))


def generate_request(call: Call, requester: Requester, style: str, deadline: float) -> GenerateRequest:
    """One style for one requester; the picture is filled in by the storefront. ``deadline`` in seconds."""
    defaults = call.parts.services.settings.style
    return GenerateRequest(
        image=b"",
        style=style,
        owner=requester.owner,
        charge=requester.charge,
        engine=defaults.engine,
        size=defaults.size,
        deadline=deadline,
    )


def select_styles(call: Call, named: str | Sequence[str]) -> list[str]:
    """Ids from a list or a comma-separated text.

    Raises: UnknownStyle.
    """
    text = named if isinstance(named, str) else ",".join(named)
    return [style.id for style in call.parts.services.styles.select(text)]
