"""When API keys were last used, so that an old one can be revoked without breaking a client that still has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from perkie_cli.ports import Document, DocumentRef, DocumentStore

COLLECTION = "key_uses"
_KEPT_FOR = timedelta(days=400)


class KeyUses:
    """Notes and finds uses by the keys' ids, in the store of quotas: all servers that share it are one."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def note(self, uses: Mapping[str, datetime]) -> None:
        """Keeps these times, unless later ones are there. Raises: StoreUnavailable, NotAuthorised."""
        ids = sorted(uses)
        if not ids:
            return

        def later(documents: Sequence[Document | None]) -> tuple[Sequence[Document | None], None]:
            return [_later(found, uses[id_]) for found, id_ in zip(documents, ids, strict=True)], None

        await self._documents.update([DocumentRef(COLLECTION, id_) for id_ in ids], later)

    async def last(self, ids: Sequence[str]) -> Mapping[str, datetime]:
        """The last use of each key that was used. Raises: StoreUnavailable, NotAuthorised."""
        found = await self._documents.read([DocumentRef(COLLECTION, id_) for id_ in ids])
        return {
            id_: datetime.fromtimestamp(document["used"], UTC)
            for id_, document in zip(ids, found, strict=True)
            if document is not None
        }


def _later(found: Document | None, used: datetime) -> Document:
    if found is not None and found["used"] >= used.timestamp():
        return found
    return {"used": used.timestamp(), "expires": (used + _KEPT_FOR).timestamp()}
