"""`make password`: what it asks, what it prints, and that every reader of the line gets the hash back."""

import getpass
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from deploy import password
from models.infra.settings import Settings

GOOD = "purple teapot above ninth lake"


def answers(monkeypatch: pytest.MonkeyPatch, name: str, *typed: str) -> None:
    rest: Iterator[str] = iter(typed)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{name}\n"))
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(rest))


def test_the_line_alone_goes_to_standard_output_and_the_password_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "", GOOD, GOOD)
    assert password.main() == 0
    told = capsys.readouterr()
    assert told.out.startswith("AUTH_CREDENTIALS='owner:$2b$12$")
    assert told.out.count("\n") == 1
    assert GOOD not in told.out + told.err


def test_two_different_passwords_and_a_bad_one_are_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "anna", "short", "Password2024!!", GOOD, GOOD + "x", GOOD, GOOD)
    assert password.main() == 0
    told = capsys.readouterr()
    assert "AUTH_CREDENTIALS='anna:" in told.out
    assert "12 characters" in told.err
    assert "different" in told.err


def test_who_never_types_a_good_one_gets_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "anna", *["short"] * 9)
    assert password.main() == 1
    assert capsys.readouterr().out == ""


def test_a_name_that_breaks_the_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "a'b:c")
    assert password.main() == 1
    assert capsys.readouterr().out == ""


def test_env_file_and_shell_read_the_hash_whole(tmp_path: Path) -> None:
    line = password.credentials_line("anna", GOOD)
    env = tmp_path / ".env"
    env.write_text(line + "\n")
    read = Settings(_env_file=env, app_env="test").credentials()
    assert read is not None
    shell = subprocess.run(
        ["sh", "-c", f'. {env}; printf %s "$AUTH_CREDENTIALS"'], capture_output=True, text=True, check=True
    )
    assert shell.stdout == ":".join(read)
    assert read[0] == "anna"
    assert bcrypt.checkpw(GOOD.encode(), read[1].encode())
