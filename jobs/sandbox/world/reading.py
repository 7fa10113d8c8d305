"""Typed access to authored YAML: every complaint names the file, the record and the field."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

T = TypeVar("T")

# libyaml's loader is about ten times faster than the pure Python one; it is absent in rare builds.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class WorldError(ValueError):
    """The authored world is wrong; the message names file, record and field."""


def read_yaml(path: Path) -> Any:
    """The document of a YAML file. Raises WorldError when it cannot be read or parsed."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader)
    except (OSError, yaml.YAMLError) as error:
        raise WorldError(f"{path.parent.name}/{path.name}: {error}") from error


class Fields:
    """One mapping of a YAML file, read field by field."""

    def __init__(self, source: str, raw: object) -> None:
        self.source = source
        if not isinstance(raw, dict):
            raise WorldError(f"{source}: expected a mapping, found {type(raw).__name__}")
        self.raw = cast("dict[str, Any]", raw)
        key = self.raw.get("key")
        self.where = f"{source}: {key}" if key else source

    def fail(self, field: str, problem: str) -> WorldError:
        """An error that points at one field."""
        return WorldError(f"{self.where}, field {field!r}: {problem}")

    def text(self, field: str, default: str | None = None) -> str:
        """A string; `default` when it is missing or null, otherwise an error."""
        value = self.raw.get(field)
        if value is None:
            if default is None:
                raise self.fail(field, "is missing")
            return default
        if not isinstance(value, str | int | float):
            raise self.fail(field, f"expected text, found {value!r}")
        return str(value)

    def optional(self, field: str) -> str | None:
        """A string or null."""
        return None if self.raw.get(field) is None else self.text(field)

    def number(self, field: str) -> float | None:
        """A number or null."""
        value = self.raw.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(field, f"expected a number, found {value!r}")
        return float(value)

    def flag(self, field: str) -> bool:
        """A boolean, false when missing."""
        return self.raw.get(field) is True

    def items(self, field: str) -> list[Any]:
        """A list, empty when missing or null."""
        value = self.raw.get(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(field, f"expected a list, found {value!r}")
        return cast("list[Any]", value)

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(str(item) for item in self.items(field))

    def records(self, field: str) -> "list[Fields]":
        """A list of mappings."""
        return [Fields(f"{self.source}: {field}[{n}]", item) for n, item in enumerate(self.items(field))]

    def mapping(self, field: str) -> dict[str, Any]:
        """A nested mapping, empty when missing or null."""
        value = self.raw.get(field)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(field, f"expected a mapping, found {value!r}")
        return cast("dict[str, Any]", value)

    def parsed(self, field: str, parse: Callable[[str], T]) -> T:
        """A field passed through a parser that raises ValueError."""
        try:
            return parse(self.text(field))
        except WorldError:
            raise
        except ValueError as error:
            raise self.fail(field, str(error)) from error

    def optionally_parsed(self, field: str, parse: Callable[[str], T]) -> T | None:
        """Like `parsed`, null when missing."""
        return None if self.raw.get(field) is None else self.parsed(field, parse)

    def one_of(
        self, field: str, allowed: "frozenset[str] | tuple[str, ...]", default: str | None = None
    ) -> str:
        """A string from a fixed set."""
        value = self.text(field, default)
        if value not in allowed:
            raise self.fail(field, f"{value!r} is none of {', '.join(sorted(allowed))}")
        return value

    def known(self, field: str, among: "dict[str, Any]", kind: str) -> str:
        """A key that must exist in `among`."""
        value = self.text(field)
        if value not in among:
            raise self.fail(field, f"{value!r} is no known {kind}")
        return value
