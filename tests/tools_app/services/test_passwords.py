"""What may become the password."""

import bcrypt
import pytest

from models.infra.errors import InvalidInput
from tools_app.services.passwords import MIN_CHARACTERS, check_new_password, check_username, hash_password

COMMON = [
    "Password2024!!", "P4ssw0rd!!!!", "PASSWORDPASSWORD", "adminadmin1234", "ControlTower2024", "aaaaaaaaaaaa", "abcabcabcabc",
    "123456789012", "210987654321", "qwertyuiop[]", "1q2w3e4r5t6y", "correct horse battery staple", "йцукенгшщзхъ",
    "Letmein-00000", "............", "owner2024owner!",
]  # fmt: skip
GOOD = [
    "purple teapot above ninth lake", "k7-Trellis-vane-91", "ferret gazebo", "слон читает газету в лифте", "x7Kq2mWz9Rb4",
    "admin of the northern lights",
]  # fmt: skip


@pytest.mark.parametrize("password", COMMON)
def test_what_guessing_starts_with_is_refused_in_any_case(password: str) -> None:
    for spelled in (password, password.upper(), password.lower()):
        with pytest.raises(InvalidInput) as refused:
            check_new_password(spelled, "owner")
        assert refused.value.code == "password_common", spelled


@pytest.mark.parametrize("password", GOOD)
def test_a_password_of_unrelated_words_or_random_characters_is_taken(password: str) -> None:
    check_new_password(password, "owner")


def test_a_password_is_at_least_twelve_characters_whatever_they_are() -> None:
    with pytest.raises(InvalidInput, match="12 characters"):
        check_new_password("x7Kq2mWz9Rb4"[: MIN_CHARACTERS - 1])
    check_new_password("слонгазеталё"[:MIN_CHARACTERS])


def test_what_bcrypt_would_cut_off_is_refused_and_not_cut() -> None:
    fits = "слон " * 8  # two bytes a letter: 72 bytes
    assert len(fits.encode()) == 72
    check_new_password(fits[:-1] + "x")
    with pytest.raises(InvalidInput) as refused:
        check_new_password(fits + "x")
    assert refused.value.code == "password_too_long"


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(InvalidInput):
        check_new_password("x7Kq2mWz9Rb4\0")


def test_a_hash_is_bcrypt_of_cost_twelve_and_verifies() -> None:
    hashed = hash_password(GOOD[0], "owner")
    assert hashed.startswith("$2b$12$")
    assert bcrypt.checkpw(GOOD[0].encode(), hashed.encode())


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a'b", "a$b", "a\nb", "x" * 65])
def test_a_name_that_cannot_stand_in_the_settings_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_username(name)
