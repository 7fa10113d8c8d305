"""Attio JSON → records. Pure.

Every attribute is an array, single-value ones too; current values have ``active_until`` null. ``values`` may be
null as a whole. Workspaces add attributes of their own: unknown ones stay in the payload. ``unusable`` are attributes
that are called like one of ours and are of another type (`schema.py`): they are left in the payload too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from jobs.connectors.base import Fact, Record, parse_time

_OBJECT_STREAM = {"companies": "companies", "people": "people", "deals": "deals"}


def company(
    item: dict[str, Any], *, lists: frozenset[str] = frozenset(), unusable: frozenset[str] = frozenset()
) -> Record:
    """Return the record of a company. ``lists`` are the slugs of the lists it is an entry of."""
    values = _values(item, unusable)
    vendor_id = str(item["id"]["record_id"])
    domains = [str(entry["domain"]).lower() for entry in values.get("domains", []) if entry.get("domain")]
    location = _first(values, "primary_location") or {}
    facts: set[Fact] = {("company", vendor_id.lower())}
    facts |= {("company_domain", domain) for domain in domains}
    facts |= {("list", slug.lower()) for slug in lists}
    return Record(
        stream="companies",
        vendor_id=vendor_id,
        fields={
            "name": _text(values, "name") or "",
            "domains": domains,
            "description": _text(values, "description") or "",
            "city": location.get("locality"),
            "country": location.get("country_code"),
            "categories": [
                entry["option"]["title"] for entry in values.get("categories", []) if entry.get("option")
            ],
        },
        payload={**item, "lists": sorted(lists)},
        url=item.get("web_url"),
        created_at=parse_time(item.get("created_at")),
        updated_at=_changed_at(item, values),
        facts=frozenset(facts),
    )


def person(item: dict[str, Any], *, unusable: frozenset[str] = frozenset()) -> Record:
    """Return the record of a person; they follow their company."""
    values = _values(item, unusable)
    name = _first(values, "name") or {}
    emails = [str(entry["email_address"]).lower() for entry in values.get("email_addresses", [])]
    company_id = _reference(values, "company", "companies")
    full_name = name.get("full_name") or " ".join(
        filter(None, (name.get("first_name"), name.get("last_name")))
    )
    return Record(
        stream="people",
        vendor_id=str(item["id"]["record_id"]),
        fields={
            "name": full_name,
            "emails": emails,
            "phones": [str(entry["phone_number"]) for entry in values.get("phone_numbers", [])],
            "job_title": _text(values, "job_title"),
            "company_vendor_id": company_id,
        },
        payload=item,
        url=item.get("web_url"),
        created_at=parse_time(item.get("created_at")),
        updated_at=_changed_at(item, values),
        # Their own domains count only where no company is linked: a rule for a domain must not split a company.
        facts=frozenset()
        if company_id
        else frozenset(("company_domain", e.rpartition("@")[2]) for e in emails),
        follows=("companies", company_id) if company_id else None,
    )


def deal(item: dict[str, Any], *, members: dict[str, str], unusable: frozenset[str] = frozenset()) -> Record:
    """Return the record of a deal. ``members`` maps workspace member ids to names."""
    values = _values(item, unusable)
    stage = _first(values, "stage") or {}
    worth = _first(values, "value") or {}
    owner = _first(values, "owner") or {}
    company_id = _reference(values, "associated_company", "companies")
    amount = worth.get("currency_value")
    return Record(
        stream="deals",
        vendor_id=str(item["id"]["record_id"]),
        fields={
            "name": _text(values, "name") or "",
            "stage": (stage.get("status") or {}).get("title"),
            "stage_since": parse_time(stage.get("active_from")),
            "value": str(amount) if amount is not None else None,
            "currency": worth.get("currency_code"),
            "owner_name": members.get(str(owner.get("referenced_actor_id"))),
            "company_vendor_id": company_id,
            "people_vendor_ids": [
                str(entry["target_record_id"]) for entry in values.get("associated_people", [])
            ],
            "next_step": _text(values, "next_step"),
            "close_date": _date(_text(values, "close_date")),
        },
        payload=item,
        url=item.get("web_url"),
        created_at=parse_time(item.get("created_at")),
        updated_at=_changed_at(item, values),
        facts=_deal_facts(values),
        follows=("companies", company_id) if company_id else None,
    )


def note(item: dict[str, Any], *, members: dict[str, str], app_url: str | None) -> Record:
    """Return the record of a note; it follows its parent record. ``app_url`` is the parent's page, if known."""
    vendor_id = str(item["id"]["note_id"])
    parent_object, parent_id = str(item["parent_object"]), str(item["parent_record_id"])
    author = item.get("created_by_actor") or {}
    return Record(
        stream="notes",
        vendor_id=vendor_id,
        fields={
            "parent_object": parent_object,
            "parent_vendor_id": parent_id,
            "title": item.get("title") or "",
            "body": item.get("content_plaintext") or "",
            "author_name": members.get(str(author.get("id"))),
        },
        payload=item,
        url=f"{app_url}/notes?modal=note&id={vendor_id}" if app_url else None,
        created_at=parse_time(item["created_at"]),
        follows=(_OBJECT_STREAM[parent_object], parent_id) if parent_object in _OBJECT_STREAM else None,
    )


def task(item: dict[str, Any], *, members: dict[str, str], objects: Callable[[str], str | None]) -> Record:
    """Return the record of a task; it follows the first record it is linked to.

    ``objects`` returns the slug of an object that is named by its id, None for one that is not known.
    """
    linked: dict[str, Any] = next(iter(item.get("linked_records") or []), {})
    target = str(linked.get("target_object_id") or linked.get("target_object") or "")
    slug = (target if target in _OBJECT_STREAM else objects(target)) if target else None
    record_id = str(linked["target_record_id"]) if linked.get("target_record_id") else None
    assignees = (str(each.get("referenced_actor_id")) for each in item.get("assignees") or [])
    return Record(
        stream="tasks",
        vendor_id=str(item["id"]["task_id"]),
        fields={
            "content": item.get("content_plaintext") or "",
            "deadline_at": parse_time(item.get("deadline_at")),
            "is_completed": bool(item.get("is_completed")),
            "completed_at": parse_time(item.get("completed_at")),
            "assignee_names": [members[each] for each in assignees if each in members],
            "linked_object": slug,
            "linked_vendor_id": record_id,
        },
        payload=item,
        created_at=parse_time(item["created_at"]),
        follows=(_OBJECT_STREAM[slug], record_id) if slug in _OBJECT_STREAM and record_id else None,
    )


def _values(item: dict[str, Any], unusable: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    raw: dict[str, Any] = item.get("values") or {}
    return {
        slug: [entry for entry in entries or [] if not entry.get("active_until")]
        for slug, entries in raw.items()
        if slug not in unusable
    }


def _first(values: dict[str, list[dict[str, Any]]], slug: str) -> dict[str, Any] | None:
    entries = values.get(slug) or []
    return entries[0] if entries else None


def _text(values: dict[str, list[dict[str, Any]]], slug: str) -> str | None:
    entry = _first(values, slug)
    return str(entry["value"]) if entry and entry.get("value") is not None else None


def _reference(values: dict[str, list[dict[str, Any]]], slug: str, target: str) -> str | None:
    for entry in values.get(slug, []):
        if entry.get("target_object") == target:
            return str(entry["target_record_id"])
    return None


def _changed_at(item: dict[str, Any], values: dict[str, list[dict[str, Any]]]) -> dt.datetime | None:
    """Return the latest ``active_from``: records have no updated_at, and a cleared value leaves no trace."""
    times = [parse_time(entry.get("active_from")) for entries in values.values() for entry in entries]
    times.append(parse_time(item.get("created_at")))
    return max((time for time in times if time is not None), default=None)


def _deal_facts(values: dict[str, list[dict[str, Any]]]) -> frozenset[Fact]:
    facts: set[Fact] = set()
    for slug, entries in values.items():
        for entry in entries:
            title = (entry.get("option") or entry.get("status") or {}).get("title") or entry.get("value")
            if title is not None:
                facts.add(("deal_filter", f"{slug}={title}".lower()))
    return frozenset(facts)


def _date(value: str | None) -> dt.date | None:
    return dt.date.fromisoformat(value[:10]) if value else None
