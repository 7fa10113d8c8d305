"""Who may log in: the one configured user and the check of a password against its bcrypt hash.

Owns the refusal to start without safe credentials and password verification. Sessions, cookies and throttling live
in `auth` and `login_throttle`; which variables hold the credentials is the settings' matter.
"""

import re

import bcrypt

from models.infra.errors import AppError
from models.infra.settings import Settings

# bcrypt reads 72 bytes and ignores the rest: a longer password would be accepted with any tail.
MAX_PASSWORD_BYTES = 72
_BCRYPT_HASH = re.compile(r"^\$2[aby]\$\d{2}\$[./A-Za-z0-9]{53}$")
# The rest of a well-formed hash that no known password has. Unknown names are checked against it, at the cost of the
# real one, so that the time of an answer does not tell whether a name exists.
_NOBODY = "C6UzMDM.H6dfI/f/IKcEeO7ZBYfWJCJmVn1xw3f0n4dD0fVnJj1Oa"

HOW_TO_SET = (
    'Set AUTH_CREDENTIALS="name:bcrypt-hash" (or AUTH_USERNAME and AUTH_PASSWORD_HASH). '
    "`make password` asks for a password and prints the line."
)


class StartupRefused(AppError):
    """The configuration is not safe to serve with; the message says what to set."""

    code, status = "startup_refused", 500


def require_safe_credentials(settings: Settings) -> None:
    """Refuse to serve with credentials that are no name and bcrypt hash, and in production without any.

    Raises `StartupRefused` with a message that says how to make a hash.
    """
    try:
        found = settings.credentials()
    except ValueError as fault:
        raise StartupRefused(f"{fault}. {HOW_TO_SET}") from fault
    if found is not None and not is_bcrypt_hash(found[1]):
        raise StartupRefused(f"The password of the configured user is not a bcrypt hash. {HOW_TO_SET}")
    half_set = bool(settings.auth_username) != bool(settings.auth_password_hash.get_secret_value())
    if found is None and half_set:
        raise StartupRefused(f"Only one of AUTH_USERNAME and AUTH_PASSWORD_HASH is set. {HOW_TO_SET}")
    if settings.app_env == "production":
        if found is None:
            raise StartupRefused(f"No login credentials are set, and there are no default ones. {HOW_TO_SET}")
        if settings.demo_password.get_secret_value():
            raise StartupRefused("DEMO_PASSWORD belongs to the demo: remove it in production.")


def is_bcrypt_hash(text: str) -> bool:
    """Whether a text is a bcrypt hash."""
    return _BCRYPT_HASH.match(text) is not None


def verify_password(credentials: tuple[str, str], username: str, password: str) -> bool:
    """Whether name and password are the configured (name, bcrypt hash).

    Takes one bcrypt computation whatever the input; a password of more than 72 bytes never matches.
    """
    secret = password.encode(errors="replace")
    fits = len(secret) <= MAX_PASSWORD_BYTES and b"\0" not in secret
    known = username == credentials[0]
    checked = credentials[1] if known else f"{credentials[1][: len('$2b$12$')]}{_NOBODY}"
    matches = bcrypt.checkpw(secret if fits else b"-", checked.encode())
    return matches and known and fits
