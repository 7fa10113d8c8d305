"""Stored secrets: readable with any current key, unreadable without, rotated without loss."""

import pytest

from models.infra.crypto import SecretUnreadable, decrypt, encrypt, generate_key, rotate
from models.infra.settings import override_settings


def test_what_is_encrypted_can_be_read_and_does_not_show() -> None:
    token = encrypt("пароль-123")
    assert decrypt(token) == "пароль-123"
    assert "123" not in token


def test_a_rotated_secret_needs_only_the_new_key() -> None:
    old, new = generate_key(), generate_key()
    with override_settings(secret_keys=old):
        token = encrypt("t")
    with override_settings(secret_keys=f"{new}, {old}"):
        assert decrypt(token) == "t"
        rotated = rotate(token)
    with override_settings(secret_keys=new):
        assert decrypt(rotated) == "t"
        with pytest.raises(SecretUnreadable):
            decrypt(token)


def test_without_a_key_the_error_names_the_setting() -> None:
    with override_settings(secret_keys=""), pytest.raises(SecretUnreadable, match="SECRET_KEYS"):
        encrypt("t")


def test_a_key_that_is_no_key_is_named_as_such() -> None:
    with override_settings(secret_keys="short"), pytest.raises(SecretUnreadable, match="no Fernet key"):
        encrypt("t")
