"""The demo's own secrets below the data directory: who may log in, and the key that encrypts vendor tokens.

A generated password is printed once and never stored: only its bcrypt hash is. A password that a start generated but
never came to print is replaced by the next start. The file is readable by its owner alone.
"""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from models.infra.crypto import generate_key
from models.infra.settings import Settings

USERNAME = "demo"
_ROUNDS = 12
KNOWN = "(as printed at the first start; DEMO_PASSWORD=… make up sets a new one)"
CONFIGURED = "(the one whose hash is configured)"


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What the ready line shows and what the processes need."""

    username: str
    password_note: str
    credentials: str
    secret_keys: str

    def environment(self) -> dict[str, str]:
        """Variables of the children."""
        return {"AUTH_CREDENTIALS": self.credentials, "SECRET_KEYS": self.secret_keys}


def prepare_access(settings: Settings) -> DemoAccess:
    """Read or make the demo's credentials and keys. Configured ones win; DEMO_PASSWORD replaces a stored hash.

    Raises ValueError for a DEMO_PASSWORD that bcrypt would cut off (more than 72 bytes).
    """
    path = settings.data_dir / "access.json"
    stored = _read(path)
    keys = settings.secret_keys.get_secret_value() or stored.get("secret_keys") or generate_key()
    configured = settings.credentials()
    hashed, note = stored.get("password_hash", ""), KNOWN
    given = settings.demo_password.get_secret_value()
    if configured is not None:
        username, hashed = configured
        _write(path, {**stored, "secret_keys": keys})
        return DemoAccess(username, CONFIGURED, f"{username}:{hashed}", keys)
    if given:
        if len(given.encode()) > 72:
            raise ValueError("DEMO_PASSWORD is longer than 72 bytes; bcrypt reads no further")
        note = given
        if not (hashed and bcrypt.checkpw(given.encode(), hashed.encode())):
            hashed = _hash(given)
    elif not hashed or stored.get("printed") != "yes":
        note = _readable_password()
        hashed = _hash(note)
    printed = "yes" if note == KNOWN else "no"
    _write(path, {"username": USERNAME, "password_hash": hashed, "printed": printed, "secret_keys": keys})
    return DemoAccess(USERNAME, note, f"{USERNAME}:{hashed}", keys)


def mark_printed(settings: Settings) -> None:
    """Remember that the user has seen the password: it stays valid from now on."""
    path = settings.data_dir / "access.json"
    stored = _read(path)
    if stored.get("printed") == "no":
        _write(path, {**stored, "printed": "yes"})


def _readable_password() -> str:
    # 20 characters of 31: 99 bits; no characters that look alike, in groups that can be typed.
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    groups = ["".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4)]
    return "-".join(groups)


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def _read(path: Path) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def _write(path: Path, values: dict[str, str]) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps(values, indent=1))
    part.replace(path)
