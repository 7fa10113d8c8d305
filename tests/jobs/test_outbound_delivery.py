"""Letters leave over real SMTP and into real files; each attempt says for certain whether it did, or that nobody can tell."""

from collections.abc import Generator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from jobs.outbound_delivery import Letter, NotDelivered, SendFailed, SendUnknown, deliver
from models.infra.ids import new_id
from models.infra.settings import get_settings, override_settings
from tests.smtp_server import MailServer, mail_server, make_certificate


def letter() -> Letter:
    return Letter(new_id(), "anna@lumen.example", "Следующий шаг", "Добрый день,\n.\nдо понедельника.")


@contextmanager
def relay(**changes: object) -> Generator[MailServer]:
    """A server without TLS, and settings that send to it."""
    with mail_server() as server, override_settings(
        outbound_delivery="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none",
        smtp_from="studio@tower.example", smtp_timeout_s=5.0, **changes,
    ):  # fmt: skip
        yield server


def read(text: bytes) -> tuple[dict[str, str], str]:
    parsed = message_from_bytes(text.removesuffix(b"\r\n.\r\n").replace(b"\r\n..", b"\r\n."), policy=default)
    return {name: str(value) for name, value in parsed.items()}, parsed.get_content().replace(
        "\r\n", "\n"
    ).strip()


def test_a_letter_arrives_as_it_was_written() -> None:
    sent = letter()
    with relay() as server:
        deliver(sent, "smtp")
    headers, body = read(server.taken[0])
    assert (headers["Subject"], headers["To"], headers["From"]) == (
        sent.subject,
        sent.address,
        "studio@tower.example",
    )
    assert headers["Message-ID"] == f"<{sent.id}@tower.example>"
    assert body == sent.body


def test_starttls_encrypts_before_the_password_goes_out(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with mail_server(certificate) as server, override_settings(
        smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="starttls", smtp_from="studio@tower.example",
        smtp_username="studio", smtp_password="secret", smtp_ca_file=str(certificate[0]),
    ):  # fmt: skip
        server.login = ("studio", "secret")
        deliver(letter(), "smtp")
        assert server.was_encrypted == [True]
        assert server.commands.index("STARTTLS") < server.commands.index("AUTH")
        server.login = ("studio", "another")
        with pytest.raises(SendFailed) as refused:
            deliver(letter(), "smtp")
        assert refused.value.code == "login_refused"
        assert "secret" not in refused.value.detail


def test_tls_from_the_first_byte_and_only_to_a_server_that_proves_itself(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with mail_server(certificate, tls=True) as server, override_settings(
        smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="tls", smtp_from="studio@tower.example",
        smtp_ca_file=str(certificate[0]),
    ):  # fmt: skip
        deliver(letter(), "smtp")
        assert server.was_encrypted == [True]
        with override_settings(smtp_ca_file=""), pytest.raises(SendFailed) as refused:
            deliver(letter(), "smtp")
        assert refused.value.code == "tls_failed"
        assert len(server.taken) == 1


def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    with relay() as server, override_settings(smtp_security="starttls"):
        with pytest.raises(SendFailed) as refused:
            deliver(letter(), "smtp")
        assert refused.value.code == "server_refused"
        assert server.taken == []


@pytest.mark.parametrize(
    ("step", "fault", "kind", "code"),
    [
        ("MAIL", "550 no", SendFailed, "sender_refused"),
        ("RCPT", "550 nobody", SendFailed, "recipient_refused"),
        ("RCPT", "drop", SendFailed, "server_away"),
        ("DATA", "554 no", SendFailed, "message_refused"),
        ("TEXT", "552 too much", SendFailed, "message_refused"),
        ("TEXT", "drop", SendUnknown, "connection_lost"),
        ("TAKEN", "drop", SendUnknown, "connection_lost"),
    ],
)
def test_a_fault_says_whether_the_letter_may_have_arrived(
    step: str, fault: str, kind: type[NotDelivered], code: str
) -> None:
    with relay() as server:
        server.faults[step] = fault
        with pytest.raises(NotDelivered) as found:
            deliver(letter(), "smtp")
    assert (type(found.value), found.value.code) == (kind, code)
    assert len(server.taken) == (step == "TAKEN")


def test_a_server_that_leaves_without_goodbye_has_taken_the_letter() -> None:
    with relay() as server:
        server.faults["QUIT"] = "drop"
        deliver(letter(), "smtp")
        assert len(server.taken) == 1


def test_a_server_that_is_away_took_nothing() -> None:
    away = override_settings(smtp_host="127.0.0.1", smtp_port=1, smtp_from="a@b.example", smtp_timeout_s=2.0)
    with away, pytest.raises(SendFailed) as found:
        deliver(letter(), "smtp")
    assert found.value.code == "server_away"


def test_the_file_outbox_holds_one_whole_letter_a_message() -> None:
    sent = letter()
    deliver(sent, "file")
    (path,) = (get_settings().data_dir / "outbox").iterdir()
    assert path.name == f"{sent.id}.eml"
    headers, body = read(path.read_bytes())
    assert (headers["Subject"], body) == (sent.subject, sent.body)


def test_an_outbox_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with override_settings(data_dir=tmp_path / "file"), pytest.raises(SendFailed) as found:
        deliver(letter(), "file")
    assert found.value.code == "outbox_not_writable"
