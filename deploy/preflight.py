"""`make preflight`: may this be served to the internet? Every line says what is right, or what to do about it.

It reads the settings a start would read and the compose file; it starts nothing, changes nothing and shows no secret.
Items carry the numbers of the roadmap's first iteration: 0.1 credentials, 0.2 password hash, 0.3 users of containers,
0.4 closed ports, 0.5 rate limits, 0.6 resource limits, 0.7 health checks. Exit code 1 while any line says STOP.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from cryptography.fernet import Fernet
from pydantic import ValidationError

from deploy.preflight_compose import check_compose
from models.infra.settings import Settings, reviewed_settings
from tools_app.services.credentials import is_bcrypt_hash

COMPOSE = Path("docker-compose.yml")
MIN_COST = 10
# More than this many times the promised number is a limit that limits nobody.
_LOOSE = 10
_PROMISED = {"rate_limit_get": 100, "rate_limit_post": 30, "rate_limit_anonymous": 100, "rate_limit_key": 120, "rate_limit_webhook": 600, "rate_limit_events": 300}  # fmt: skip
# What is tried first against a login that a scanner finds; each costs a third of a second here.
_FIRST_GUESSES = ("admin", "password", "controltower", "changeme", "demo", "12345678")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `what` says what was found, or what to do."""

    item: str
    ok: bool
    what: str


def main(arguments: list[str] | None = None) -> int:
    """0 when production may start, 1 with what to do. `--no-compose`: nothing runs in containers here."""
    given = sys.argv[1:] if arguments is None else arguments
    if unknown := [each for each in given if each != "--no-compose"]:
        print(f"unknown argument {unknown[0]}; there is --no-compose")
        return 1
    lines = list(review(None if "--no-compose" in given else COMPOSE))
    for line in sorted(lines, key=lambda each: each.item):
        print(f"{'ok  ' if line.ok else 'STOP'}  {line.item}  {line.what}")
    stops = sum(not line.ok for line in lines)
    print(f"\n{stops} in the way of production." if stops else "\nNothing is in the way of production.")
    return 1 if stops else 0


def review(compose: Path | None) -> Iterator[Line]:
    """Look at everything; `compose` is the compose file, None where nothing runs in containers."""
    try:
        settings = reviewed_settings()
    except ValidationError as fault:
        for problem in fault.errors(include_input=False, include_url=False):
            name = ".".join(str(part) for part in problem["loc"]).upper()
            yield Line("0.1", ok=False, what=f"{name or 'settings'}: {problem['msg']}")
        return
    yield from _credentials(settings)
    yield from _password(settings)
    yield from _transport(settings)
    yield from _limits(settings)
    for item, ok, what in check_compose(compose):
        yield Line(item, ok, what)


def _credentials(settings: Settings) -> Iterator[Line]:
    production = settings.app_env == "production"
    yield Line(
        "0.1",
        production,
        "APP_ENV is production" if production else f"set APP_ENV=production (it is {settings.app_env})",
    )
    try:
        configured = settings.credentials() is not None
        told = "set AUTH_CREDENTIALS: `make password` prints the line"
    except ValueError as fault:
        configured, told = False, f"{fault}: `make password` prints the line"
    yield Line("0.1", configured, "a login is configured" if configured else told)
    demo = bool(settings.demo_password.get_secret_value())
    yield Line("0.1", not demo, "remove DEMO_PASSWORD" if demo else "DEMO_PASSWORD is not set")
    keys = [each.strip() for each in settings.secret_keys.get_secret_value().split(",") if each.strip()]
    valid = bool(keys) and all(_is_fernet(each) for each in keys)
    yield Line(
        "0.1",
        valid,
        "SECRET_KEYS are Fernet keys"
        if valid
        else "set SECRET_KEYS to Fernet keys (docs/configuration.md says how to make one)",
    )
    for name in ("database_url", "redis_url", "cache_redis_url"):
        held = bool(getattr(settings, name))
        yield Line(
            "0.1",
            held,
            f"{name.upper()} is set" if held else f"set {name.upper()}: the embedded servers are the demo's",
        )


def _password(settings: Settings) -> Iterator[Line]:
    try:
        found = settings.credentials()
    except ValueError:
        return
    if found is None:
        return
    name, hashed = found
    if not is_bcrypt_hash(hashed):
        yield Line("0.2", ok=False, what="the password is not a bcrypt hash: `make password` makes one")
        return
    cost = int(hashed.split("$")[2])
    yield Line(
        "0.2",
        cost >= MIN_COST,
        f"bcrypt of cost {cost}"
        if cost >= MIN_COST
        else f"bcrypt of cost {cost} is guessed fast: make a hash with `make password`",
    )
    guessed = any(bcrypt.checkpw(each.encode(), hashed.encode()) for each in (name, *_FIRST_GUESSES))
    yield Line(
        "0.2",
        not guessed,
        "the password is among the first guesses: choose another with `make password`"
        if guessed
        else "the password is none of the first guesses",
    )


def _transport(settings: Settings) -> Iterator[Line]:
    https = settings.public_url.startswith("https://")
    yield Line(
        "0.2",
        https,
        "PUBLIC_URL is https"
        if https
        else "set PUBLIC_URL=https://…: without TLS the password and the session travel in the clear",
    )
    secure = settings.cookie_is_secure()
    yield Line(
        "0.2",
        secure,
        "cookies are Secure"
        if secure
        else "leave COOKIE_SECURE=auto with an https PUBLIC_URL, or set always",
    )


def _limits(settings: Settings) -> Iterator[Line]:
    for name, promised in _PROMISED.items():
        held = getattr(settings, name)
        ok = held <= promised * _LOOSE
        yield Line(
            "0.5",
            ok,
            f"{name.upper()}={held}"
            if ok
            else f"{name.upper()}={held} limits nobody: {promised} is the default",
        )
    proxied = bool(settings.trusted_networks())
    behind = settings.public_url.startswith("https://") and not proxied
    # TLS ends before this server: without its proxy's address every client would share one address and one limit.
    yield Line(
        "0.5",
        not behind,
        "set TRUSTED_PROXIES to the network of the proxy that ends TLS: limits count its clients' addresses"
        if behind
        else "addresses are those of the clients",
    )


def _is_fernet(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
