"""A Chatwoot account made of arithmetic, answering from memory: what `make bench-sync` and tests of the sync read.

Only what the connector asks for: inboxes, conversations, contacts, messages. Every answer follows from the record's
number, so that a million messages need no memory, and can be delayed. `GET /_stats` says how many requests came and
how many were answered at once at most. It runs in a process of its own: its time is not the sync's.

Run with `python -m deploy.generated_chatwoot --port 0 --conversations 60`; the port is the first line it prints.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from models.infra.settings import environment

CONVERSATIONS_A_PAGE: Final = 25
CONTACTS_A_PAGE: Final = 15
NEWEST: Final = 20
AFTER: Final = 100
# 2023-11-14: long before any run, so that nothing counts as updated since the last one.
_BEGAN: Final = 1_700_000_000
_ATTACHMENT_EVERY: Final = 50
_API: Final = "/api/v1/accounts/1"


@dataclass(frozen=True, slots=True)
class Account:
    """How many conversations, and messages in each. Message ids interleave, as they do when people write at once."""

    conversations: int
    messages: int

    def message_ids(self, conversation: int, after: int) -> range:
        """The ids of a conversation's messages above ``after``, ascending."""
        first = max(0, (after - conversation) // self.conversations + 1)
        ids = range(conversation, self.conversations * self.messages + 1, self.conversations)
        return ids[first:]


class Generated:
    """The account's answers as bytes."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._texts = _texts()

    def answer(self, target: str) -> bytes | None:
        """The JSON body for a request target, None for what is not there."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        path = parts.path.removeprefix(_API).strip("/").split("/")
        match path:
            case ["inboxes"]:
                return b'{"payload":[{"id":1,"name":"Inbox 1","channel_type":"Channel::Api"}]}'
            case ["conversations"]:
                return self._conversations(query)
            case ["contacts"]:
                return self._contacts(query)
            case ["conversations", number, "messages"]:
                return self._messages(int(number), query) if self._has(number) else None
            case ["conversations", number]:
                return self._conversation(int(number)) if self._has(number) else None
            case ["contacts", number]:
                return b'{"payload":%s}' % self._contact(int(number)) if self._has(number) else None
            case _:
                return None

    def _has(self, number: str) -> bool:
        return number.isdigit() and 1 <= int(number) <= self._account.conversations

    def _conversations(self, query: dict[str, str]) -> bytes:
        numbers = _page(self._account.conversations, query, CONVERSATIONS_A_PAGE)
        found = b"" if "updated_within" in query else b",".join(map(self._conversation, numbers))
        return b'{"data":{"meta":{"all_count":%d},"payload":[%s]}}' % (self._account.conversations, found)

    def _contacts(self, query: dict[str, str]) -> bytes:
        numbers = _page(self._account.conversations, query, CONTACTS_A_PAGE)
        return b'{"meta":{"count":%d},"payload":[%s]}' % (
            self._account.conversations,
            b",".join(map(self._contact, numbers)),
        )

    def _messages(self, conversation: int, query: dict[str, str]) -> bytes:
        ids = self._account.message_ids(conversation, int(query.get("after", 0)))
        chosen = ids[:AFTER] if "after" in query else ids[-NEWEST:]
        return b'{"meta":{},"payload":[%s]}' % b",".join(self._message(conversation, one) for one in chosen)

    def _conversation(self, number: int) -> bytes:
        ids = self._account.message_ids(number, 0)
        last = self._message(number, ids[-1]) if ids else b""
        at = _BEGAN + (ids[-1] if ids else 0)
        return (
            b'{"id":%d,"uuid":"%s","account_id":1,"inbox_id":1,"status":"open","priority":null,"labels":[],'
            b'"meta":{"sender":%s,"channel":"Channel::Api","hmac_verified":false},"messages":[%s],'
            b'"additional_attributes":{"mail_subject":"Subject %d"},"custom_attributes":{},"muted":false,'
            b'"created_at":%d,"updated_at":%d.5,"last_activity_at":%d,"timestamp":%d,"waiting_since":0,'
            b'"first_reply_created_at":%d,"unread_count":0,"can_reply":true,"last_non_activity_message":%s}'
            % (
                number,
                str(uuid.UUID(int=number)).encode(),
                self._contact(number),
                last,
                number,
                _BEGAN + number,
                at,
                at,
                at,
                _BEGAN + number + 60,
                last or b"null",
            )
        )

    def _contact(self, number: int) -> bytes:
        return (
            b'{"id":%d,"name":"Contact %d","email":"contact%d@client%d.example","phone_number":null,"identifier":null,'
            b'"blocked":false,"thumbnail":"","availability_status":"offline","custom_attributes":{},'
            b'"additional_attributes":{"company_name":"Client %d"},"created_at":%d,"last_activity_at":%d}'
            % (number, number, number, number % 50, number % 50, _BEGAN + number, _BEGAN + number)
        )

    def _message(self, conversation: int, number: int) -> bytes:
        incoming = number % 2 == 0
        sender = (
            b'{"id":%d,"name":"Contact %d","email":"contact%d@client%d.example","type":"contact","thumbnail":""}'
            % (conversation, conversation, conversation, conversation % 50)
            if incoming
            else b'{"id":7,"name":"Agent Seven","available_name":"Agent","avatar_url":"","type":"user"}'
        )
        return (
            b'{"id":%d,"content":"%s","account_id":1,"inbox_id":1,"conversation_id":%d,"message_type":%d,'
            b'"content_type":"text","content_attributes":{},"status":"sent","created_at":%d,"private":false,'
            b'"source_id":null,"sender":%s%s}'
            % (
                number,
                self._texts[number % len(self._texts)],
                conversation,
                0 if incoming else 1,
                _BEGAN + number,
                sender,
                _attachment(number) if number % _ATTACHMENT_EVERY == 0 else b"",
            )
        )


class Exchange(asyncio.Protocol):
    """One connection: reads requests and answers them, each after the delay."""

    def __init__(self, generated: Generated, delay_s: float, stats: dict[str, int]) -> None:
        self._generated = generated
        self._delay_s = delay_s
        self._stats = stats
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take requests apart; only GET is known, so a request ends with its headers."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            target = self._read.split(b" ", 2)[1].decode()
            self._read = self._read[end + 4 :]
            if target == "/_stats":
                self._send(200, json.dumps(self._stats).encode())
                continue
            self._stats["requests"] += 1
            self._stats["now"] += 1
            self._stats["most_at_once"] = max(self._stats["most_at_once"], self._stats["now"])
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._answer, target)
            else:
                self._answer(target)

    def _answer(self, target: str) -> None:
        self._stats["now"] -= 1
        body = self._generated.answer(target)
        if body is None:
            self._send(404, b'{"error":"Resource could not be found"}')
        else:
            self._send(200, body)

    def _send(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(head % (status, len(body)) + body)


async def serve(port: int, generated: Generated, delay_s: float) -> None:
    """Serve on loopback until the process is stopped; prints the port first."""
    stats = {"requests": 0, "now": 0, "most_at_once": 0}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(generated, delay_s, stats), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def running(account: Account, delay_ms: float = 0.0) -> Iterator[str]:
    """Start the account in a process, yield its base URL, and stop it at the end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.generated_chatwoot"),
            *("--conversations", str(account.conversations)),
            *("--messages", str(account.messages)),
            *("--delay-ms", str(delay_ms)),
        ],
        env=environment(),
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def main() -> None:
    """Serve what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--conversations", type=int, default=60)
    parser.add_argument("--messages", type=int, default=100, help="in each conversation")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="before each answer")
    given = parser.parse_args()
    generated = Generated(Account(given.conversations, given.messages))
    asyncio.run(serve(given.port, generated, given.delay_ms / 1000))


def _page(count: int, query: dict[str, str], size: int) -> range:
    first = (int(query.get("page", 1)) - 1) * size + 1
    return range(first, min(first + size, count + 1))


def _attachment(number: int) -> bytes:
    return (
        b',"attachments":[{"id":%d,"message_id":%d,"account_id":1,"file_type":"image","extension":"png",'
        b'"data_url":"http://files.example/%d/screenshot.png","thumb_url":"","file_size":%d}]'
        % (number, number, number, 10_000 + number)
    )


def _texts() -> list[bytes]:
    """A thousand texts of 5 to 40 made-up words, the same ones in every run."""
    chance = random.Random(7)  # noqa: S311 - texts, not secrets
    syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(3000)]
    return [" ".join(chance.choices(words, k=chance.randint(5, 40))).encode() for _ in range(1009)]


if __name__ == "__main__":
    main()
