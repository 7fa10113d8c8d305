"""Encryption of vendor tokens and webhook secrets at rest: Fernet with the keys of SECRET_KEYS.

The first key encrypts, every key decrypts. To rotate: put a new key in front, run `rotate` over what is stored, drop
the old key.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.infra.errors import AppError
from models.infra.settings import get_settings


class SecretUnreadable(AppError):
    """No key of SECRET_KEYS opens a stored secret, or there is no key at all."""

    code, status = "secret_unreadable", 503


def encrypt(text: str) -> str:
    """The Fernet token of `text`, ASCII. Raises SecretUnreadable without SECRET_KEYS."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text of a token made by `encrypt`. Raises SecretUnreadable when no key fits."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable(
            "no key of SECRET_KEYS opens this secret; was a key dropped too early?"
        ) from error


def rotate(token: str) -> str:
    """The same text under the first key. Raises SecretUnreadable when no key fits."""
    try:
        return _cipher().rotate(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("no key of SECRET_KEYS opens this secret; nothing was changed") from error


def generate_key() -> str:
    """A new key for SECRET_KEYS."""
    return Fernet.generate_key().decode()


def _cipher() -> MultiFernet:
    keys = [key.strip() for key in get_settings().secret_keys.get_secret_value().split(",") if key.strip()]
    if not keys:
        raise SecretUnreadable("SECRET_KEYS is not set; vendor tokens can neither be stored nor read")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise SecretUnreadable("SECRET_KEYS holds something that is no Fernet key") from error
