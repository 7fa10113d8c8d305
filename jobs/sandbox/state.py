"""The sandbox's memory: anchor, tokens and what was done to the world, in one small JSON file.

The world itself is never stored. It is built again from the authored texts, the anchor and these entries,
so a restart shows the same records with the same ids.
"""

import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from jobs.sandbox.world.reading import WorldError

_VERSION: Final = 1
# At one tick every five minutes this is half a year; replaying them takes a second or two.
MAX_ENTRIES: Final = 50_000
# Name in the state file, prefix of the token.
_TOKENS: Final = {
    "chatwoot": "",
    "linear": "lin_api_",
    "attio": "",
    "chatwoot_agent": "",
    "chatwoot_twin": "",
    "linear_twin": "lin_api_",
    "attio_twin": "",
}


@dataclass(slots=True)
class State:
    """Anchor, tokens by name, and entries `{"at", "kind": "tick"}` or `{"at", "kind": "event" or "change", …}` in order."""

    anchor: datetime
    tokens: dict[str, str]
    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class StateFile:
    """Reads and atomically writes `state.json` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"

    def load_or_create(self, now: datetime) -> State:
        """The stored state, or a new one anchored now. Raises WorldError when the file is damaged."""
        if not self.path.exists():
            tokens = {name: prefix + secrets.token_hex(20) for name, prefix in _TOKENS.items()}
            state = State(now, tokens)
            self.save(state)
            return state
        try:
            raw = orjson.loads(self.path.read_bytes())
            state = State(datetime.fromisoformat(raw["anchor"]), dict(raw["tokens"]), list(raw["entries"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise WorldError(f"{self.path} is damaged ({error}); delete it to start a new world") from error
        missing = [name for name in _TOKENS if name not in state.tokens]
        if missing:
            state.tokens.update({name: _TOKENS[name] + secrets.token_hex(20) for name in missing})
            self.save(state)
        return state

    def save(self, state: State) -> None:
        """Write the whole file beside itself and rename it, so that a crash leaves the old or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "version": _VERSION,
            "anchor": state.anchor.isoformat(),
            "ticks": sum(1 for entry in state.entries if entry["kind"] == "tick"),
            "tokens": state.tokens,
            "entries": state.entries,
        }
        beside = self.path.with_suffix(".json.tmp")
        with beside.open("wb") as file:
            beside.chmod(0o600)
            file.write(orjson.dumps(body, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
