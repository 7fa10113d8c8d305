"""Known devices: a browser that logged in before keeps a way to the login that strangers cannot use up.

After a login the browser keeps a signed cookie of its own for this account. Attempts that show it are counted for the
device alone, so whoever burns the account's or the address's attempts locks out strangers and never the owner (OWASP,
"Slow Down Online Guessing Attacks with Device Cookies"). The cookie opens nothing: it only chooses the counter. A new
password, or a key that is dropped from SECRET_KEYS, ends all of them.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie

from models.infra.clock import utcnow
from models.infra.settings import get_settings

LIFETIME_S = 180 * 86_400
_NONCE_BYTES = 16
_VERSION = "1"


def cookie_name() -> str:
    """The device cookie's name."""
    return "__Host-ct_device" if get_settings().cookie_is_secure() else "ct_device"


def new_device(username: str) -> str | None:
    """A fresh cookie value for an account; None without SECRET_KEYS, which sign it."""
    keys = _keys()
    if not keys:
        return None
    body = f"{_VERSION}.{int(utcnow().timestamp())}.{secrets.token_urlsafe(_NONCE_BYTES)}"
    return f"{body}.{_signature(keys[0], username, body)}"


def known_device(header: str, username: str) -> str | None:
    """The device that a Cookie header proves for an account, as a name to count attempts under; None for a stranger."""
    try:
        morsel = SimpleCookie(header).get(cookie_name())
    except CookieError:
        return None
    parts = (morsel.value if morsel is not None else "").split(".")
    if len(parts) != 4 or parts[0] != _VERSION or not parts[1].isdecimal() or len(parts[1]) > 12:
        return None
    body, signature = ".".join(parts[:3]), parts[3].encode(errors="replace")
    if not any(hmac.compare_digest(_signature(key, username, body).encode(), signature) for key in _keys()):
        return None
    return parts[2] if utcnow().timestamp() - int(parts[1]) < LIFETIME_S else None


def _signature(key: bytes, username: str, body: str) -> str:
    credentials = get_settings().credentials()
    password_hash = credentials[1] if credentials is not None else ""
    signed = f"{username}\0{password_hash}\0{body}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, signed, "sha256")).decode().rstrip("=")


def _keys() -> list[bytes]:
    found: list[bytes] = []
    for each in get_settings().secret_keys.get_secret_value().split(","):
        try:
            secret = base64.urlsafe_b64decode(each.strip())
        except (binascii.Error, ValueError):
            continue
        if secret:
            # A key of its own, so that a signature says nothing about what encrypts vendor tokens.
            found.append(hashlib.blake2b(secret[:64], person=b"ct device cookie", digest_size=32).digest())
    return found
