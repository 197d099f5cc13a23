"""The calls of google.firestore.v1.Firestore over one database. Requests and answers are the generated messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.cloud.firestore_v1.types import firestore as messages
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.firestore.database import Database
from perkie_cli.emulators.firestore.filters import NAME
from perkie_cli.emulators.firestore.listing import list_collection_ids, list_documents
from perkie_cli.emulators.firestore.query import aggregate, select
from perkie_cli.emulators.firestore.values import masked
from perkie_cli.emulators.firestore.writes import target
from perkie_cli.emulators.rpc_server import Refused


def message(name: str) -> Any:
    """The generated message class of that name."""
    return getattr(messages, name).pb()


class FirestoreService:
    """One method per call, named as in the protocol."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def BeginTransaction(self, request: Any) -> Any:  # noqa: N802 -- methods are named as in the protocol
        """Begins a transaction."""
        return message("BeginTransactionResponse")(transaction=self._database.begin(request.options))

    async def Rollback(self, request: Any) -> Any:  # noqa: N802
        """Rolls a transaction back."""
        self._database.end(request.transaction)
        return Empty()

    async def Commit(self, request: Any) -> Any:  # noqa: N802
        """Applies all writes or none."""
        results, time = await self._database.commit(request.writes, request.transaction)
        return message("CommitResponse")(commit_time=time, write_results=results)

    async def BatchWrite(self, request: Any) -> Any:  # noqa: N802
        """Applies each write independently."""
        answer = message("BatchWriteResponse")()
        if len({target(write) for write in request.writes}) < len(request.writes):
            message_ = "the same document cannot be written more than once in a single request"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message_)
        for write in request.writes:
            result, status = answer.write_results.add(), answer.status.add()
            try:
                (done,), _ = await self._database.commit([write])
            except Refused as refused:
                status.code, status.message = refused.code.value[0], refused.message
            else:
                result.CopyFrom(done)
        return answer

    async def GetDocument(self, request: Any) -> Any:  # noqa: N802
        """Returns one document."""
        _refuse_unemulated(request)
        found = await self._database.read(request.name, request.transaction)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"{request.name} not found")
        return masked(found, request.mask.field_paths) if request.HasField("mask") else found

    async def BatchGetDocuments(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Returns documents in the requested order; begins a transaction if requested."""
        _refuse_unemulated(request)
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
        """Returns the documents of a query."""
        _refuse_unemulated(request)
        make, transaction = message("RunQueryResponse"), request.transaction
        if request.WhichOneof("consistency_selector") == "new_transaction":
            transaction = self._database.begin(request.new_transaction)
            yield make(transaction=transaction)
        query = request.structured_query
        wanted = [each.field_path for each in query.select.fields if each.field_path != NAME]
        found = await self._select(request.parent, query, transaction)
        for document in found:
            shown = masked(document, wanted) if query.HasField("select") else document
            yield make(document=shown, read_time=self._database.time())
        if not found:
            yield make(read_time=self._database.time())

    async def RunAggregationQuery(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Returns counts, sums and averages."""
        _refuse_unemulated(request)
        make, transaction = message("RunAggregationQueryResponse"), request.transaction
        if request.WhichOneof("consistency_selector") == "new_transaction":
            transaction = self._database.begin(request.new_transaction)
            yield make(transaction=transaction)
        query = request.structured_aggregation_query
        found = await self._select(request.parent, query.structured_query, transaction)
        answer = make(read_time=self._database.time())
        for each in query.aggregations:
            answer.result.aggregate_fields[each.alias].CopyFrom(aggregate(found, each))
        yield answer

    async def ListDocuments(self, request: Any) -> Any:  # noqa: N802
        """Lists a collection's documents by name, page by page."""
        _refuse_unemulated(request)
        page, more = list_documents(self._database.seen(request.transaction), request)
        for document in page if request.transaction else ():
            await self._database.read(document.name, request.transaction)
        return message("ListDocumentsResponse")(documents=page, next_page_token=more)

    async def ListCollectionIds(self, request: Any) -> Any:  # noqa: N802
        """Lists the direct subcollections of a document, page by page."""
        _refuse_unemulated(request)
        page, more = list_collection_ids(self._database.documents, request)
        return message("ListCollectionIdsResponse")(collection_ids=page, next_page_token=more)

    async def _select(self, parent: str, query: Any, transaction: bytes) -> list[Any]:
        found = select(self._database.seen(transaction).values(), parent, query)
        if transaction:
            for document in found:
                await self._database.read(document.name, transaction)
        return found


def _refuse_unemulated(request: Any) -> None:
    """Refuses requests that would otherwise get a wrong answer.

    Raises: Refused.
    """
    if request.WhichOneof("consistency_selector") == "read_time":
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Reading at a time in the past is not emulated.")
    if "explain_options" in request.DESCRIPTOR.fields_by_name and request.HasField("explain_options"):
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Explaining queries is not emulated.")
