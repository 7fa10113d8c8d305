"""The ways a message leaves: SMTP, or a file in the outbox folder (for the demo).

Each attempt ends in one of three ways: it returns (the other side took the message), raises SendFailed (it surely did
not) or SendUnknown (the connection ended after the text was on its way and before the answer).
"""

from __future__ import annotations

import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID

from models.infra.clock import utcnow
from models.infra.logging import get_logger
from models.infra.settings import Settings, get_settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes out: to whom, and what. Its id becomes the Message-ID, so that a copy can be told from a second letter."""

    id: UUID
    address: str
    subject: str
    body: str


class NotDelivered(Exception):
    """A message did not surely leave. `code` is stable, `detail` is for people."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class SendFailed(NotDelivered):
    """The message surely was not taken."""


class SendUnknown(NotDelivered):
    """Nobody can tell whether the message was taken."""


def deliver(letter: Letter, via: str) -> None:
    """Send a letter by `smtp` or `file`. Raises SendFailed and SendUnknown."""
    settings = get_settings()
    if via == "file":
        _write_file(_message(letter, settings), letter, settings.data_dir / "outbox")
    else:
        _send_smtp(_message(letter, settings), letter, settings)


def _message(letter: Letter, settings: Settings) -> EmailMessage:
    sender = settings.smtp_from or "control-tower@localhost"
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.address
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(utcnow())
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message.set_content(letter.body)
    return message


def _write_file(message: EmailMessage, letter: Letter, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{letter.id}.part"
        part.write_bytes(message.as_bytes())
        # The name appears with the whole text or not at all.
        os.replace(part, folder / f"{letter.id}.eml")  # noqa: PTH105 - the same name replaces what is there
    except OSError as fault:
        raise SendFailed("outbox_not_writable", str(fault)) from fault


def _send_smtp(message: EmailMessage, letter: Letter, settings: Settings) -> None:
    try:
        server = _connect(settings)
    except ssl.SSLError as fault:
        raise SendFailed("tls_failed", str(fault)) from fault
    except smtplib.SMTPAuthenticationError as fault:
        raise SendFailed("login_refused", _said(fault)) from fault
    except smtplib.SMTPException as fault:
        raise SendFailed("server_refused", str(fault)) from fault
    except OSError as fault:
        raise SendFailed("server_away", str(fault)) from fault
    try:
        _hand_over(server, message, letter, settings)
    finally:
        _leave(server)


def _connect(settings: Settings) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=settings.smtp_ca_file or None)
    host, port, timeout = settings.smtp_host, settings.smtp_port, settings.smtp_timeout_s
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    try:
        if settings.smtp_security == "starttls":
            # A server that does not offer it is refused: a password must not go out in the clear.
            server.starttls(context=context)
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
    except BaseException:
        server.close()
        raise
    return server


def _hand_over(server: smtplib.SMTP, message: EmailMessage, letter: Letter, settings: Settings) -> None:
    try:
        server.ehlo_or_helo_if_needed()
        _expect(server.mail(settings.smtp_from), "sender_refused")
        _expect(server.rcpt(letter.address), "recipient_refused")
    except (smtplib.SMTPException, OSError) as fault:
        raise SendFailed("server_away", str(fault)) from fault
    try:
        code, said = server.data(message.as_bytes())
    except smtplib.SMTPDataError as fault:
        # Refused before the text: 354 did not come.
        raise SendFailed("message_refused", _said(fault)) from fault
    except (smtplib.SMTPException, OSError) as fault:
        raise SendUnknown("connection_lost", str(fault) or type(fault).__name__) from fault
    _expect((code, said), "message_refused")


def _expect(answer: tuple[int, bytes], code: str) -> None:
    if not 200 <= answer[0] < 300:
        raise SendFailed(code, f"{answer[0]} {answer[1].decode(errors='replace')}")


def _leave(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (smtplib.SMTPException, OSError) as fault:
        # The message was settled before; how the other side says goodbye changes nothing.
        log.info("mail server left without goodbye", error=type(fault).__name__)
        server.close()


def _said(fault: smtplib.SMTPResponseException) -> str:
    said = fault.smtp_error
    return f"{fault.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
