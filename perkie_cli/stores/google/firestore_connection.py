"""Shared by the stores over Firestore: the client, its errors and the timeout.

This uses Google's generated async client, not the high-level one: the latter retries transactions without back-off,
and rolls back without a time limit when the server is gone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any

import grpc.aio
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport

from perkie_cli.domain.errors import MissingCredentials, StoreUnavailable, WrongCredentials
from perkie_cli.stores.google.login import LOGIN, log_in

SCOPE = "https://www.googleapis.com/auth/datastore"
EMULATED_PROJECT = "perkie"  # an emulator accepts any


class FirestoreConnection:
    """One database. The client is created at first use, in the event loop that uses it.

    ``FIRESTORE_EMULATOR_HOST`` works as in all of Google's clients.
    """

    def __init__(
        self, project: str | None, database: str, timeout: timedelta, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._project = project
        self._database = database
        self.timeout = timeout.total_seconds()  # for one operation with all its attempts
        self._emulator = environ.get("FIRESTORE_EMULATOR_HOST")
        self._credentials: Any = None

    @property
    def name(self) -> str:
        """For messages: ``firestore:PROJECT/DATABASE``."""
        return f"firestore:{self._project or 'default project'}/{self._database}"

    @cached_property
    def client(self) -> FirestoreAsyncClient:
        """The client; use it within ``answering``, which sets project and credentials."""
        if self._emulator is not None:
            channel = grpc.aio.insecure_channel(self._emulator)
            return FirestoreAsyncClient(transport=FirestoreGrpcAsyncIOTransport(channel=channel))
        return FirestoreAsyncClient(credentials=self._credentials)

    async def _log_in(self) -> None:
        if self._emulator is not None:
            self._project = self._project or EMULATED_PROJECT
        elif self._credentials is None:
            credentials, project = await log_in("Firestore", SCOPE)
            self._project = self._project or project
            if self._project is None:
                hint = "Set GOOGLE_CLOUD_PROJECT or firestore.project."
                raise MissingCredentials("no project for Firestore", hint=hint)
            self._credentials = credentials

    @property
    def path(self) -> str:
        """The database's resource name, within ``answering``."""
        return f"projects/{self._project}/databases/{self._database}"

    @property
    def root(self) -> str:
        """The prefix of all document names."""
        return f"{self.path}/documents"

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of every call."""
        routing = ("google-cloud-resource-prefix", self.path)
        return (routing, ("authorization", "Bearer owner")) if self._emulator is not None else (routing,)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Logs in, translates Google's errors to ours, and applies the timeout.

        Raises: StoreUnavailable, MissingCredentials, WrongCredentials.
        """
        await self._log_in()
        try:
            async with asyncio.timeout(self.timeout):
                yield
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.name} does not answer within {self.timeout:g} s") from error
        except (exceptions.Unauthenticated, exceptions.PermissionDenied, GoogleAuthError) as error:
            message = f"{self.name} refuses the credentials ({type(error).__name__})"
            raise WrongCredentials(message, hint=LOGIN) from error
        except exceptions.GoogleAPIError as error:
            raise StoreUnavailable(f"{self.name} does not answer ({type(error).__name__})") from error

    async def aclose(self) -> None:
        """Closes the channel, if there is one."""
        if "client" in vars(self):
            await self.client.transport.close()  # type: ignore[no-untyped-call]  # untyped in Google's package
            del self.client
