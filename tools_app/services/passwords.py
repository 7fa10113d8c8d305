"""What may become the password, and its bcrypt hash. Asked when a password is set, never at login.

No rule about kinds of characters (they make passwords worse): length, and not one of those that guessing starts with.
"""

import re
from functools import lru_cache
from importlib.resources import files

import bcrypt

from models.infra.errors import InvalidInput
from tools_app.services.credentials import MAX_PASSWORD_BYTES

MIN_CHARACTERS = 12
ROUNDS = 12
_NAME = re.compile(r"^[A-Za-z0-9._@-]{1,64}$")
# What people put for letters, so that P4ssw0rd is read as password.
_PLAIN = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
)
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "йцукенгшщзхъфывапролджэячсмитьбю",
    "0123456789",
)
# A part of a password this short says nothing about it.
_MIN_CORE = 4


def check_username(name: str) -> None:
    """Raises InvalidInput for a login name that cannot stand in AUTH_CREDENTIALS."""
    if not _NAME.match(name):
        raise InvalidInput("A name is 1 to 64 of A-Z a-z 0-9 . _ @ -", code="invalid_username")


def check_new_password(password: str, username: str = "") -> None:
    """Raises InvalidInput, with what to change, for a password that must not be set.

    Too short (12 characters), longer than the 72 bytes bcrypt reads, a NUL in it, common (also with digits, signs or
    look-alike characters around or inside it, in any case), a run of keys, a few characters over and over, the name.
    """
    if len(password) < MIN_CHARACTERS:
        raise InvalidInput(f"A password has at least {MIN_CHARACTERS} characters.", code="password_too_short")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise InvalidInput(
            f"A password has at most {MAX_PASSWORD_BYTES} bytes: bcrypt reads no further.",
            code="password_too_long",
        )
    if "\0" in password:
        raise InvalidInput("A password cannot contain a NUL character.", code="password_unusable")
    if _is_common(password.lower(), username.lower()):
        raise InvalidInput(
            "This password is among the first that are guessed. Three or four unrelated words are better.",
            code="password_common",
        )


def hash_password(password: str, username: str = "") -> str:
    """The bcrypt hash (cost 12) of a password that `check_new_password` accepts; raises what that raises."""
    check_new_password(password, username)
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()


def _is_common(password: str, username: str) -> bool:
    common = _common()
    # "Password2024!!" is "password" to whoever guesses, and so is "P4ssw0rd!".
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password)
    letters = re.sub(r"[\W\d_]+", "", password)
    cores = {password, bare, letters, password.translate(_PLAIN), bare.translate(_PLAIN)}
    # Words of the list put together are no better than one: "adminadmin1234", "controltower2024".
    return (
        any(
            each in common or _is_made_of(each, common | {username})
            for each in cores
            if len(each) >= _MIN_CORE
        )
        or not any(len(each) >= _MIN_CORE for each in cores)
        or _repeats(password)
        or _is_run(password)
    )


def _is_made_of(text: str, words: frozenset[str] | set[str]) -> bool:
    """Whether nothing but at most two of the words, each as often as it likes, makes the text."""
    for first in words:
        if len(first) >= _MIN_CORE and first in text:
            rest = text.replace(first, "")
            if not rest or rest in words:
                return True
    return False


def _repeats(password: str) -> bool:
    """Whether a few characters come over and over."""
    return len(set(password)) <= 3 or any(
        (password[:size] * (len(password) // size + 1))[: len(password)] == password for size in range(1, 6)
    )


def _is_run(password: str) -> bool:
    """Whether it walks the alphabet, the digits or the keyboard, there or back."""
    return any(
        password in run * 3 or password in run[::-1] * 3 or password[:10] in run or password[:10] in run[::-1]
        for run in _RUNS
    )


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    text = files("tools_app.services").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
