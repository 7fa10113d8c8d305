"""Parses what vendors answer, and refuses what would break those who read it on: no JSON, or JSON without a bottom."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
import orjson

# Levels in a body; records are nested a dozen deep, and Python's own stack ends at a thousand.
DEEPEST = 250


def parse(content: bytes) -> Any:
    """Return a JSON body. Raises ValueError for what is none, or is nested deeper than DEEPEST."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            # Half a surrogate pair is JSON to the standard module alone; `storable.clean` mends it.
            body = json.loads(content)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
    try:
        orjson.dumps(
            body
        )  # which ends at about DEEPEST too, and is the quickest way to see that few bodies go so far
    except TypeError as error:
        if _is_deeper(body, DEEPEST):
            raise ValueError("it is nested too deeply") from error
    return body


def json_of(response: httpx.Response) -> Any:
    """Return an answer's JSON body, None where it is none."""
    try:
        return parse(response.content)
    except ValueError:
        return None


def _is_deeper(value: Any, most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(cast("dict[str, Any]", each).values())
            elif isinstance(each, list):
                inner.extend(cast("list[Any]", each))
        if not inner:
            return False
        level = inner
    return True
