"""ListDocuments and ListCollectionIds: the direct children of a document, by name, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from perkie_cli.emulators.firestore.values import Document, masked, segments_order
from perkie_cli.emulators.rpc_server import Refused

PAGE = 300  # results of a call without a page size


def list_documents(documents: Mapping[str, Any], request: Any) -> tuple[list[Any], str]:
    """A page and the token of the next one. ``show_missing``: also names that only have subcollections.

    Raises: Refused for an order other than by name.
    """
    if request.order_by not in ("", "__name__"):
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"Listing by {request.order_by!r} is not emulated; by name is.")
    prefix = f"{request.parent}/{request.collection_id}/" if request.collection_id else f"{request.parent}/"
    depth = 1 if request.collection_id else 2
    paths = (name[len(prefix) :].split("/") for name in documents if name.startswith(prefix))
    names = {prefix + "/".join(path[:depth]) for path in paths if len(path) >= depth}
    if not request.show_missing:
        names &= documents.keys()
    page, more = _page(names, request)
    return [_shown(documents.get(name), name, request) for name in page], more


def list_collection_ids(names: Iterable[str], request: Any) -> tuple[list[str], str]:
    """A page and the token of the next one."""
    prefix = request.parent + "/"
    return _page({name[len(prefix) :].split("/")[0] for name in names if name.startswith(prefix)}, request)


def _shown(document: Any, name: str, request: Any) -> Any:
    if document is None:
        return Document(name=name)  # without times: clients use that to distinguish it from an empty one
    return masked(document, request.mask.field_paths) if request.HasField("mask") else document


def _page(names: Iterable[str], request: Any) -> tuple[list[str], str]:
    rest = sorted(names, key=segments_order)
    if request.page_token:
        after = segments_order(request.page_token)
        rest = [name for name in rest if segments_order(name) > after]
    page = rest[: request.page_size or PAGE]
    return page, page[-1] if len(rest) > len(page) else ""
