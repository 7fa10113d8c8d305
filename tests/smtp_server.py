"""A small real SMTP server for tests (RFC 5321, STARTTLS by RFC 3207, AUTH PLAIN), with faults at chosen steps."""

import asyncio
import base64
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class MailServer:
    """What the server does and what it took. `faults`: step → an answer, or `drop` to close the connection."""

    port: int = 0
    login: tuple[str, str] | None = None
    offers_starttls: bool = True
    faults: dict[str, str] = field(default_factory=dict)
    taken: list[bytes] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@contextmanager
def mail_server(certificate: tuple[Path, Path] | None = None, *, tls: bool = False) -> Generator[MailServer]:
    """A server on a free port until the block ends; `tls` from the first byte, else STARTTLS when it has a certificate."""
    held = MailServer()
    context: ssl.SSLContext | None = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await _Conversation(held, context, reader, writer, encrypted=tls).run()
            except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                pass  # the client left, which is its right
            finally:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context if tls else None)
        held.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(serve())
        held_task.append(task)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pending = asyncio.all_tasks(loop)
            for each in pending:
                each.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        finally:
            loop.close()

    held_task: list[asyncio.Task[None]] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield held
    finally:
        loop.call_soon_threadsafe(held_task[0].cancel)
        thread.join(5)


class _Conversation:
    """One connection."""

    def __init__(
        self,
        held: MailServer,
        context: ssl.SSLContext | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        encrypted: bool,
    ) -> None:
        self.held, self.context, self.reader, self.writer = held, context, reader, writer
        self.encrypted = encrypted

    async def say(self, line: str) -> None:
        self.writer.write(line.encode() + b"\r\n")
        await self.writer.drain()

    async def run(self) -> None:
        await self.say("220 test")
        while line := await self.reader.readline():
            words = line.decode().strip()
            verb = words.partition(" ")[0].upper()
            self.held.commands.append(verb)
            fault = self.held.faults.get(verb)
            if fault == "drop":
                return
            if fault is not None:
                await self.say(fault)
            elif verb == "QUIT":
                await self.say("221 bye")
                return
            elif not await self.answer(verb, words):
                return

    async def answer(self, verb: str, words: str) -> bool:
        if verb == "EHLO":
            await self.say("250-test")
            if self.context is not None and not self.encrypted and self.held.offers_starttls:
                await self.say("250-STARTTLS")
            await self.say("250 AUTH PLAIN")
        elif verb == "STARTTLS":
            await self.say("220 go")
            assert self.context is not None
            await self.writer.start_tls(self.context)
            self.encrypted = True
        elif verb == "AUTH":
            given = base64.b64decode(words.split()[2]).decode().split("\0")[1:]
            right = self.held.login is None or tuple(given) == self.held.login
            await self.say("235 ok" if right else "535 no")
        elif verb == "DATA":
            return await self.take()
        else:
            await self.say("250 ok")
        return True

    async def take(self) -> bool:
        await self.say("354 go on")
        text = await self.reader.readuntil(b"\r\n.\r\n")
        fault = self.held.faults.get("TEXT")
        if fault == "drop":
            return False
        if fault is None:
            self.held.taken.append(text)
            self.held.was_encrypted.append(self.encrypted)
        if self.held.faults.get("TAKEN") == "drop":
            return False
        await self.say(fault or "250 taken")
        return True
