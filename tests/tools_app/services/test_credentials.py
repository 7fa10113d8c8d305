import time

import bcrypt
import pytest

from models.infra.settings import Settings, override_settings
from tests.tools_app.conftest import HASH, PASSWORD, USER
from tools_app.services.credentials import StartupRefused, require_safe_credentials, verify_password


def test_the_right_pair_is_accepted() -> None:
    assert verify_password((USER, HASH), USER, PASSWORD)


def test_a_password_of_more_than_72_bytes_is_rejected_even_when_its_head_is_right() -> None:
    head = "x" * 72
    hashed = bcrypt.hashpw(head.encode(), bcrypt.gensalt(4)).decode()
    assert verify_password((USER, hashed), USER, head)
    assert not verify_password((USER, hashed), USER, head + "tail")


@pytest.mark.parametrize("password", ["", "\0", PASSWORD + "\0", "пароль", "\ud800"])
def test_odd_passwords_are_refused_without_an_error(password: str) -> None:
    assert not verify_password((USER, HASH), USER, password)


def test_an_unknown_name_costs_a_bcrypt_computation_too() -> None:
    # Cost 12, as `make password` makes it, takes a hundred milliseconds and more; nothing else here takes one.
    real = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    started = time.process_time()
    assert not verify_password((USER, real), "nobody", PASSWORD)
    assert time.process_time() - started > 0.01


def test_production_without_credentials_is_refused_with_a_message_that_says_how_to_make_a_hash(
    settings: Settings,
) -> None:
    bare = settings.model_copy(update={"app_env": "production"})
    with pytest.raises(StartupRefused, match="make password"):
        require_safe_credentials(bare)


@pytest.mark.parametrize(
    "value",
    ["owner:plaintext", "owner", ":" + HASH, "owner:$2b$12$short"],
    ids=["no hash", "no colon", "no name", "short hash"],
)
def test_credentials_that_are_no_name_and_bcrypt_hash_are_refused_everywhere(
    settings: Settings, value: str
) -> None:
    with override_settings(auth_credentials=value) as changed, pytest.raises(StartupRefused):
        require_safe_credentials(changed)


def test_half_set_credentials_are_refused(settings: Settings) -> None:
    with override_settings(auth_username="owner") as changed, pytest.raises(StartupRefused, match="Only one"):
        require_safe_credentials(changed)


def test_a_demo_password_is_refused_in_production(settings: Settings) -> None:
    with override_settings(auth_credentials=f"{USER}:{HASH}", demo_password="demo") as changed:
        production = changed.model_copy(update={"app_env": "production"})
        with pytest.raises(StartupRefused, match="DEMO_PASSWORD"):
            require_safe_credentials(production)


def test_both_ways_to_set_credentials_are_accepted(settings: Settings) -> None:
    with override_settings(auth_credentials=f"{USER}:{HASH}") as changed:
        require_safe_credentials(changed)
    with override_settings(auth_username=USER, auth_password_hash=HASH) as changed:
        require_safe_credentials(changed)
