"""The calls of google.firestore.v1.Firestore over one database. Requests and answers are the generated messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.cloud.firestore_v1.types import firestore as messages
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.firestore.database import Database
from perkie_cli.emulators.firestore.query import aggregate, select
from perkie_cli.emulators.firestore.values import masked
from perkie_cli.emulators.firestore.writes import Refused

PAGE = 300  # documents of a list call that names no page size


def message(name: str) -> Any:
    """The generated message class of that name."""
    return getattr(messages, name).pb()


class FirestoreService:
    """One method a call, named as in the protocol."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def BeginTransaction(self, request: Any) -> Any:  # noqa: N802 -- methods are named as in the protocol
        """Begins."""
        return message("BeginTransactionResponse")(transaction=self._database.begin(request.options))

    async def Rollback(self, request: Any) -> Any:  # noqa: N802
        """Gives up."""
        self._database.end(request.transaction)
        return Empty()

    async def Commit(self, request: Any) -> Any:  # noqa: N802
        """All writes or none."""
        results, time = await self._database.commit(request.writes, request.transaction)
        answer = message("CommitResponse")(commit_time=time)
        for transformed in results:
            answer.write_results.add(update_time=time).transform_results.extend(transformed)
        return answer

    async def BatchWrite(self, request: Any) -> Any:  # noqa: N802
        """Each write by itself."""
        answer = message("BatchWriteResponse")()
        for write in request.writes:
            result, status = answer.write_results.add(), answer.status.add()
            try:
                (transformed,), time = await self._database.commit([write])
            except Refused as refused:
                status.code, status.message = refused.code.value[0], refused.message
            else:
                result.update_time.CopyFrom(time)
                result.transform_results.extend(transformed)
        return answer

    async def GetDocument(self, request: Any) -> Any:  # noqa: N802
        """One document."""
        found = await self._database.read(request.name, request.transaction)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"{request.name} not found")
        return masked(found, request.mask.field_paths) if request.HasField("mask") else found

    async def BatchGetDocuments(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Documents, in the order asked for; begins a transaction where told to."""
        make, transaction = message("BatchGetDocumentsResponse"), request.transaction
        if request.WhichOneof("consistency_selector") == "new_transaction":
            transaction = self._database.begin(request.new_transaction)
            yield make(transaction=transaction)
        for name in request.documents:
            found = await self._database.read(name, transaction)
            answer = make(read_time=self._database.time())
            if found is None:
                answer.missing = name
            else:
                answer.found.CopyFrom(masked(found, request.mask.field_paths) if request.HasField("mask") else found)
            yield answer

    async def RunQuery(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        """The documents of a query."""
        make, transaction = message("RunQueryResponse"), request.transaction
        if request.WhichOneof("consistency_selector") == "new_transaction":
            transaction = self._database.begin(request.new_transaction)
            yield make(transaction=transaction)
        query = request.structured_query
        wanted = [each.field_path for each in query.select.fields if each.field_path != "__name__"]
        found = await self._select(request.parent, query, transaction)
        for document in found:
            shown = masked(document, wanted) if query.HasField("select") else document
            yield make(document=shown, read_time=self._database.time())
        if not found:
            yield make(read_time=self._database.time())

    async def RunAggregationQuery(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Counts, sums and averages."""
        query = request.structured_aggregation_query
        found = await self._select(request.parent, query.structured_query, request.transaction)
        answer = message("RunAggregationQueryResponse")(read_time=self._database.time())
        for each in query.aggregations:
            answer.result.aggregate_fields[each.alias].CopyFrom(aggregate(found, each))
        yield answer

    async def ListDocuments(self, request: Any) -> Any:  # noqa: N802
        """A collection's documents by name, page by page."""
        prefix = f"{request.parent}/{request.collection_id}/"
        names = sorted(n for n in self._database.documents if n.startswith(prefix) and "/" not in n[len(prefix) :])
        names = [name for name in names if name > request.page_token]
        page = names[: request.page_size or PAGE]
        more = page[-1] if len(names) > len(page) else ""
        documents = [self._database.documents[name] for name in page]
        return message("ListDocumentsResponse")(documents=documents, next_page_token=more)

    async def ListCollectionIds(self, request: Any) -> Any:  # noqa: N802
        """The collections right below a document."""
        prefix = request.parent + "/"
        found = {n[len(prefix) :].split("/")[0] for n in self._database.documents if n.startswith(prefix)}
        return message("ListCollectionIdsResponse")(collection_ids=sorted(found))

    async def _select(self, parent: str, query: Any, transaction: bytes) -> list[Any]:
        found = select(list(self._database.documents.values()), parent, query)
        if transaction:
            for document in found:
                await self._database.read(document.name, transaction)
        return found
