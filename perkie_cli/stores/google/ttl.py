"""Firestore's TTL policies, by its admin API.

https://firebase.google.com/docs/firestore/ttl
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.cloud.firestore_admin_v1 import Field
from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient
from google.cloud.firestore_admin_v1.services.firestore_admin.transports import FirestoreAdminGrpcAsyncIOTransport

from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.google.firestore_values import TTL_FIELD

_ON = (Field.TtlConfig.State.ACTIVE, Field.TtlConfig.State.CREATING)


class FirestoreTtl:
    """The policies of one database."""

    field = TTL_FIELD

    def __init__(self, connection: FirestoreConnection, prefix: str) -> None:
        """``prefix`` of all collection names."""
        self._connection = connection
        self._prefix = prefix

    async def missing(self, collections: Sequence[str]) -> Sequence[str]:
        """The full names of the collections without a policy. Raises: StoreUnavailable, NotAuthorised."""
        async with self._connection.answering():
            transport: Any = self._connection.client.transport
            channel = FirestoreAdminGrpcAsyncIOTransport(channel=transport.grpc_channel)
            admin = FirestoreAdminAsyncClient(transport=channel)
            found = []
            for each in collections:
                group = f"{self._prefix}{each}"
                name = f"{self._connection.path}/collectionGroups/{group}/fields/{TTL_FIELD}"
                policy = await admin.get_field(name=name, metadata=self._connection.metadata)
                if policy.ttl_config.state not in _ON:
                    found.append(group)
            return found
