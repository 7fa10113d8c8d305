"""Known devices: who burns the attempts of account and address keeps strangers out, never the owner."""

import datetime as dt

import pytest

from models.infra.clock import frozen, utcnow
from models.infra.crypto import generate_key
from models.infra.errors import TooManyRequests, Unauthenticated
from models.infra.settings import Settings, get_settings, override_settings
from tests.tools_app.conftest import HASH, PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth, devices
from tools_app.services.devices import known_device, new_device


def cookie(value: str | None) -> str:
    return f"other=1; {devices.cookie_name()}={value}"


def attack(address: str = "192.0.2.9") -> None:
    """Guess until the account is out of attempts, from as many addresses as it takes."""
    for number in range(20):
        with pytest.raises((Unauthenticated, TooManyRequests)):
            auth.login(USER, "guess", auth.Browser(f"{address}{number}"))


def test_an_attacker_who_burns_the_account_does_not_keep_the_owners_device_out(
    credentials: Settings, worlds: dict[str, World]
) -> None:
    first = auth.login(USER, PASSWORD, auth.Browser("198.51.100.1"))
    attack()
    with pytest.raises(TooManyRequests):
        auth.login(USER, PASSWORD, auth.Browser("203.0.113.5"))
    again = auth.login(USER, PASSWORD, auth.Browser("203.0.113.5", cookies=cookie(first.device)))
    assert again.session.user == USER
    assert again.device is None, "the browser keeps the one it has"


def test_the_owner_behind_the_attackers_address_gets_in_too(
    credentials: Settings, worlds: dict[str, World]
) -> None:
    device = auth.login(USER, PASSWORD, auth.Browser("192.0.2.1")).device
    for _ in range(6):
        with pytest.raises((Unauthenticated, TooManyRequests)):
            auth.login(USER, "guess", auth.Browser("192.0.2.1"))
    assert auth.login(USER, PASSWORD, auth.Browser("192.0.2.1", cookies=cookie(device)))


def test_a_device_has_ten_attempts_of_its_own(credentials: Settings, worlds: dict[str, World]) -> None:
    device = auth.login(USER, PASSWORD, auth.Browser("192.0.2.1")).device
    browser = auth.Browser("192.0.2.1", cookies=cookie(device))
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            auth.login(USER, "guess", browser)
    with pytest.raises(TooManyRequests):
        auth.login(USER, PASSWORD, browser)
    assert auth.login(USER, PASSWORD, auth.Browser("192.0.2.1")), "the account's own attempts are untouched"


@pytest.mark.parametrize(
    "value", ["", "1.2.3", "1.1.x.y", "1.9" * 50, "ü.1.a.b", "1.99999999999999999999.a.b"]
)
def test_a_made_up_cookie_is_a_strangers(credentials: Settings, value: str) -> None:
    assert known_device(cookie(value), USER) is None


def test_a_cookie_is_good_for_its_account_key_and_password_alone(credentials: Settings) -> None:
    value = new_device(USER)
    assert known_device(cookie(value), USER) is not None
    assert known_device(cookie(value), "another") is None
    with override_settings(auth_credentials=f"{USER}:{HASH[:-4]}Abcd"):
        assert known_device(cookie(value), USER) is None, "a new password ends it"
    with override_settings(secret_keys=generate_key()):
        assert known_device(cookie(value), USER) is None
    with override_settings(secret_keys=f"{generate_key()},{get_settings().secret_keys.get_secret_value()}"):
        assert known_device(cookie(value), USER) is not None, "a rotated key still verifies"
    with frozen(utcnow() + dt.timedelta(days=181)):
        assert known_device(cookie(value), USER) is None


def test_without_keys_there_are_no_devices_and_the_login_works(
    credentials: Settings, worlds: dict[str, World]
) -> None:
    with override_settings(secret_keys=""):
        assert auth.login(USER, PASSWORD, auth.Browser("192.0.2.1")).device is None
