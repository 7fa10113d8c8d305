"""Settings: production's refusals, one place for the environment, and documents that list every field."""

import re

import pytest
from pydantic import ValidationError

from models.infra.settings import Settings, get_settings, override_settings
from tests.conftest import ROOT

HASH = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBYfWJCJmVn1xw3f0n4dD0fVnJj1Oa"
FIELDS = {name.upper() for name in Settings.model_fields}


def make(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


def test_production_does_not_start_without_credentials() -> None:
    with pytest.raises(ValidationError, match="AUTH_CREDENTIALS"):
        make(app_env="production", secret_keys="k")


def test_production_does_not_start_with_a_demo_password() -> None:
    with pytest.raises(ValidationError, match="DEMO_PASSWORD"):
        make(app_env="production", auth_credentials=f"a:{HASH}", secret_keys="k", demo_password="x")


def test_production_does_not_start_without_keys_for_vendor_tokens() -> None:
    with pytest.raises(ValidationError, match="SECRET_KEYS"):
        make(app_env="production", auth_credentials=f"a:{HASH}")


def test_both_ways_to_give_credentials_work() -> None:
    assert make(auth_credentials=f"anna:{HASH}").credentials() == ("anna", HASH)
    assert make(auth_username="anna", auth_password_hash=HASH).credentials() == ("anna", HASH)
    assert make().credentials() is None


def test_credentials_that_are_no_hash_are_refused() -> None:
    with pytest.raises(ValueError, match="bcrypt"):
        make(auth_credentials="anna:secret").credentials()


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = repr(make(auth_credentials=f"anna:{HASH}", secret_keys="topsecret", demo_password="hush"))
    assert "topsecret" not in shown
    assert "hush" not in shown
    assert HASH not in shown


def test_the_cookie_is_secure_exactly_when_the_public_url_is_https() -> None:
    assert make(public_url="https://tower.example/").cookie_is_secure()
    assert not make(port=3100).cookie_is_secure()
    assert make(port=3100).origin() == "http://127.0.0.1:3100"


def test_a_wrong_network_in_trusted_proxies_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        make(trusted_proxies="10.0.0.0/8, nonsense")


def test_an_override_ends_with_its_block() -> None:
    before = get_settings().port
    with override_settings(port=4000):
        assert get_settings().port == 4000
    assert get_settings().port == before


def test_every_field_is_in_the_example_file_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    assert set(shown) == FIELDS
    defaults = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    for name, value in shown.items():
        plain = (
            defaults[name].get_secret_value()
            if hasattr(defaults[name], "get_secret_value")
            else defaults[name]
        )
        assert value == str(plain), name


def test_every_field_is_explained_in_the_documentation() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == FIELDS


def test_every_field_has_a_comment_above_it() -> None:
    lines = (ROOT / "models" / "infra" / "settings.py").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"    [a-z_]+: .*= ", line) and line.strip().split(":")[0].upper() in FIELDS:
            assert lines[number - 1].strip().startswith("#"), line
