"""Stands for a connector whose stored token cannot be opened: whatever it is asked, it says what to fix.

So a lost key of SECRET_KEYS looks like every other refused token: the sync ends as failed, completeness is unknown.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

from jobs.connectors.base import Connector, Json, Page, Record, Window
from jobs.connectors.errors import CredentialsInvalid

ADVICE = "put the key that encrypted it back into SECRET_KEYS, or store the vendor's token again"


def unopened(connector: Connector, why: str) -> Connector:
    """Return a connector with the streams of ``connector`` that refuses every request with ``why`` and sends none."""
    refused = CredentialsInvalid(f"the stored token of this connection cannot be opened ({why}): {ADVICE}")

    class Unopened:
        streams: ClassVar = connector.streams
        by_id: ClassVar = connector.by_id
        side_by_side: ClassVar = connector.side_by_side

        def pages(self, stream: str, window: Window) -> Generator[Page]:  # noqa: ARG002 - the protocol's names
            raise refused

        def fetch_one(self, stream: str, vendor_id: str) -> Record | None:  # noqa: ARG002 - as above
            raise refused

        @property
        def requests_made(self) -> int:
            return 0

        @property
        def schema(self) -> Json | None:
            return None

        def close(self) -> None:
            connector.close()

    return Unopened()
