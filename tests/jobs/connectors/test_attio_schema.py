"""Attio's schema, read at run time: kept on the connection, named where it does not fit, and never a reason to lose a record."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from sqlmodel import select

from jobs.connectors.attio import schema
from jobs.connectors.attio.client import AttioClient
from jobs.connectors.attio.schema import from_json
from jobs.connectors.base import Window
from jobs.connectors.errors import SchemaChanged
from models.infra.clock import utcnow
from models.infra.database import reading
from models.tables.platform import VendorConnection
from models.tables.reliability import ConnectorError
from tests.jobs.copies import change, connect, run_sync
from tests.vendors import Vendors

OURS = {
    "companies": {"name": "text", "domains": "domain"},
    "people": {"name": "personal-name", "email_addresses": "email-address", "company": "record-reference"},
    "deals": {
        "name": "text",
        "stage": "status",
        "value": "currency",
        "associated_company": "record-reference",
        "close_date": "date",
    },
}
DEAL = {
    "id": {"record_id": "d1"},
    "values": {
        "name": [{"value": "Site"}],
        "close_date": [{"value": "2026-05-01"}],
        "mood": [{"value": "good"}],
    },
}


def attribute(slug: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "id": {"attribute_id": f"a-{slug}"},
        "api_slug": slug,
        "title": slug.title(),
        "type": kind,
        "is_required": False,
        "is_archived": False,
        **more,
    }


class Workspace:
    """An Attio workspace with one deal, whose schema a test may change."""

    def __init__(self) -> None:
        self.objects = {"o-c": "companies", "o-p": "people", "o-d": "deals", "o-x": "cafes"}
        self.attributes = {
            name: [attribute(slug, kind) for slug, kind in held.items()] for name, held in OURS.items()
        }
        self.asked: list[str] = []

    def client(self, kept: Mapping[str, Any] | None = None) -> AttioClient:
        client = AttioClient("http://attio.example", "t", timeout_s=1, schema=kept)
        client._http._client = httpx.Client(
            base_url="http://attio.example", transport=httpx.MockTransport(self._answer)
        )
        return client

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v2/")
        self.asked.append(path)
        parts = path.split("/")
        if path == "objects":
            listed: Any = [{"id": {"object_id": key}, "api_slug": slug} for key, slug in self.objects.items()]
        elif path.endswith("/statuses"):
            listed = [{"id": {"status_id": "s1"}, "title": "Lead", "is_archived": False}]
        elif len(parts) == 3 and parts[2] == "attributes":
            listed = self.attributes[parts[1]]
        elif request.method == "GET" and "records" in parts:
            listed = DEAL
        else:
            listed = [DEAL] if path == "objects/deals/records/query" else []
        return httpx.Response(200, content=json.dumps({"data": listed}))


def read(client: AttioClient, stream: str) -> list[Any]:
    pages = list(client.pages(stream, Window({}, utcnow())))
    assert not any(page.rejected for page in pages)
    return [record for page in pages for record in page.records]


def kept_by(workspace: Workspace) -> Mapping[str, Any]:
    client = workspace.client()
    read(client, "deals")
    assert client.schema is not None
    return client.schema


def test_the_schema_is_read_once_a_crawl_and_can_be_kept_as_json() -> None:
    workspace = Workspace()
    client = workspace.client()
    for stream in ("companies", "people", "deals"):
        read(client, stream)
    assert [path for path in workspace.asked if "records" not in path and path.startswith("objects")] == [
        "objects",
        "objects/companies/attributes",
        "objects/people/attributes",
        "objects/deals/attributes",
        "objects/deals/attributes/stage/statuses",
    ]
    assert client.schema is not None
    kept = from_json(json.loads(json.dumps(client.schema)))
    assert kept is not None
    assert kept.objects == workspace.objects
    assert {each.slug: each.type for each in kept.attributes["deals"]} == OURS["deals"]
    assert [each.title for each in kept.stages] == ["Lead"]


def test_a_single_record_is_read_with_the_schema_that_is_kept() -> None:
    workspace = Workspace()
    kept = kept_by(workspace)
    workspace.asked.clear()
    assert workspace.client(kept).fetch_one("deals", "d1") is not None
    assert not any("attributes" in path for path in workspace.asked)


@pytest.mark.parametrize(
    ("name", "slug"), [(name, slug) for name, held in OURS.items() for slug in held if slug != "close_date"]
)
def test_an_attribute_that_is_relied_on_and_missing_is_named(name: str, slug: str) -> None:
    workspace = Workspace()
    workspace.attributes[name] = [each for each in workspace.attributes[name] if each["api_slug"] != slug]
    client = workspace.client()
    with pytest.raises(SchemaChanged, match=f"{name}.{slug}: the attribute is missing") as raised:
        read(client, name)
    assert raised.value.field == f"{name}.{slug}"
    assert client.schema is None


def test_a_renamed_attribute_is_named_with_its_new_name_run_after_run() -> None:
    workspace = Workspace()
    kept = kept_by(workspace)
    workspace.attributes["deals"][2]["api_slug"] = "worth"
    client = workspace.client(kept)
    with pytest.raises(SchemaChanged, match=r"deals\.value: the attribute was renamed to worth"):
        read(client, "deals")
    # What fitted last stays kept: the next run still knows what the attribute was called.
    assert client.schema is None
    assert read(client, "companies") == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"is_archived": True}, "deals.value: the attribute was archived"),
        ({"type": "text"}, "deals.value: is of type text, currency is needed"),
    ],
)
def test_an_archived_attribute_and_another_type_are_named_too(changed: dict[str, Any], words: str) -> None:
    workspace = Workspace()
    kept = kept_by(workspace)
    workspace.attributes["deals"][2] |= changed
    with pytest.raises(SchemaChanged, match=words):
        read(workspace.client(kept), "deals")


def test_an_attribute_of_the_same_name_and_another_type_stays_in_the_payload() -> None:
    workspace = Workspace()
    workspace.attributes["deals"][4]["type"] = "text"
    [record] = read(workspace.client(), "deals")
    assert record.fields["close_date"] is None
    # Neither that nor an attribute nobody here knows is lost.
    assert record.payload["values"] == DEAL["values"]


def test_an_object_that_is_switched_off_has_no_schema_and_is_no_error() -> None:
    workspace = Workspace()
    del workspace.objects["o-d"]
    assert [record.vendor_id for record in read(workspace.client(), "deals")] == ["d1"]


def test_a_task_about_an_object_of_the_workspaces_own_is_kept_under_its_slug() -> None:
    workspace = Workspace()
    client = workspace.client(kept_by(workspace))
    assert client._object_slug("o-x") == "cafes"


def test_a_schema_that_cannot_be_read_is_said_to_be_one() -> None:
    workspace = Workspace()
    broken = copy.deepcopy(workspace.attributes["people"])
    for each in broken:
        del each["type"]
    workspace.attributes["people"] = broken
    with pytest.raises(SchemaChanged, match=r"people\.attributes: the schema cannot be read"):
        read(workspace.client(), "people")


def test_an_attribute_that_cannot_be_read_ends_no_stream_that_does_not_need_it() -> None:
    workspace = Workspace()
    close_date, name = attribute("close_date", "date"), attribute("name", "personal-name")
    del close_date["type"], name["type"]
    workspace.attributes["deals"] = [None, *workspace.attributes["deals"][:-1], close_date]  # type: ignore[list-item]
    workspace.attributes["people"] = [name, *workspace.attributes["people"][1:]]
    client = workspace.client()
    assert [record.vendor_id for record in read(client, "deals")] == ["d1"]
    with pytest.raises(SchemaChanged, match=r"people\.name: the attribute is missing"):
        read(client, "people")


def test_a_sync_keeps_the_schema_on_the_connection_and_survives_a_change(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "attio")
    assert run_sync(connection_id).status == "ok"
    with reading() as session:
        row = session.exec(select(VendorConnection)).one()
        kept = from_json(row.schema_cache)
        assert row.schema_read_at is not None
    assert kept is not None
    assert {"companies", "people", "deals"} <= set(kept.objects.values())
    assert "Proposal" in [each.title for each in kept.stages]
    # Kept as if the workspace had called the stage differently once, and then the sandbox misses one that we need.
    monkeypatch.setitem(schema._REQUIRED["deals"], "budget", "currency")  # pyright: ignore[reportArgumentType]
    change("UPDATE vendor_connections SET schema_read_at = null RETURNING name")
    result = run_sync(connection_id)
    assert (result.status, set(result.errors)) == ("degraded", {"deals"})
    assert result.errors["deals"] == "deals.budget: the attribute is missing"
    with reading() as session:
        [error] = session.exec(select(ConnectorError)).all()
        assert (error.error_kind, error.stream) == ("schema_changed", "deals")
        # The last schema that fitted stays.
        assert session.exec(select(VendorConnection)).one().schema_read_at is None
