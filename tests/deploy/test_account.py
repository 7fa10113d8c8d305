"""The demo's access: a password is shown once, never stored, and replaced when asked."""

import json
import stat
from pathlib import Path

import bcrypt
import pytest

from deploy.account import CONFIGURED, KNOWN, mark_printed, prepare_access
from models.infra.settings import Settings

HASH = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBYfWJCJmVn1xw3f0n4dD0fVnJj1Oa"


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, **values)


def matches(password: str, credentials: str) -> bool:
    return bcrypt.checkpw(password.encode(), credentials.partition(":")[2].encode())


def test_a_generated_password_opens_the_account_and_is_not_stored(tmp_path: Path) -> None:
    access = prepare_access(settings(tmp_path))
    assert access.username == "demo"
    assert matches(access.password_note, access.credentials)
    path = tmp_path / "access.json"
    assert access.password_note not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_start_keeps_the_password_and_the_keys(tmp_path: Path) -> None:
    first = prepare_access(settings(tmp_path))
    mark_printed(settings(tmp_path))
    second = prepare_access(settings(tmp_path))
    assert second.password_note == KNOWN
    assert (second.credentials, second.secret_keys) == (first.credentials, first.secret_keys)


def test_a_password_that_was_never_shown_is_replaced_by_the_next_start(tmp_path: Path) -> None:
    first = prepare_access(settings(tmp_path))
    second = prepare_access(settings(tmp_path))
    assert second.password_note not in (KNOWN, first.password_note)
    assert matches(second.password_note, second.credentials)
    assert second.secret_keys == first.secret_keys


def test_a_given_password_replaces_the_stored_one(tmp_path: Path) -> None:
    prepare_access(settings(tmp_path))
    mark_printed(settings(tmp_path))
    access = prepare_access(settings(tmp_path, demo_password="correct horse"))
    assert access.password_note == "correct horse"
    assert matches("correct horse", access.credentials)
    mark_printed(settings(tmp_path))
    assert matches("correct horse", prepare_access(settings(tmp_path)).credentials)


def test_a_password_that_bcrypt_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="72 bytes"):
        prepare_access(settings(tmp_path, demo_password="я" * 37))


def test_configured_credentials_and_keys_win(tmp_path: Path) -> None:
    access = prepare_access(settings(tmp_path, auth_credentials=f"anna:{HASH}", secret_keys="given"))
    assert (access.username, access.password_note, access.secret_keys) == ("anna", CONFIGURED, "given")
    assert HASH not in (tmp_path / "access.json").read_text()


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("{half")
    prepare_access(settings(tmp_path))
    assert set(json.loads((tmp_path / "access.json").read_text())) >= {"password_hash", "secret_keys"}
