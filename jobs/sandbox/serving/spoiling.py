"""What faults do to a whole answer: cut it, take the list of records out of it, spoil its first record.

All three vendors wrap the records of a list under `payload` (Chatwoot), `data` (Attio) or `nodes` (Linear), which is all
that is known of them here. An answer without a list of records stays as it is.
"""

from typing import Any, Final, cast

import orjson

_LISTS: Final = ("payload", "data", "nodes")
_CREATED: Final = ("created_at", "createdAt")


def half(body: bytes) -> bytes:
    """The first half, at least a byte."""
    return body[: max(1, len(body) // 2)]


def without_list(body: bytes) -> bytes:
    """The answer with its list of records under another name, as after a change of the API."""
    answer, home = _read(body)
    if home is None:
        return body
    holder, name = home
    holder[f"{name}_list"] = holder.pop(name)
    return orjson.dumps(answer)


def with_bad_record(body: bytes) -> bytes:
    """The answer with a first record whose creation time cannot be read."""
    answer, home = _read(body)
    if home is None:
        return body
    holder, name = home
    for record in holder[name][:1]:
        record.update({key: "yesterday" for key in _CREATED if key in record})
    return orjson.dumps(answer)


def _read(body: bytes) -> tuple[Any, tuple[dict[str, Any], str] | None]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, None
    level = [answer]
    while level:
        objects = [cast("dict[str, Any]", each) for each in level if isinstance(each, dict)]
        for holder in objects:
            for name in _LISTS:
                rows = holder.get(name)
                if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                    return answer, (holder, name)
        level = [value for holder in objects for value in holder.values()]
    return answer, None
