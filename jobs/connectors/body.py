"""Reads the body of an answer: whole, in time and not too large, or not at all.

What is too large is noticed while it comes, not after; when the time is over is `deadline`'s to say.
"""

from __future__ import annotations

import httpx

from jobs.connectors.errors import AnswerTooLong, NotInTime, UnusableAnswer

# Read and parsed, an answer takes six times its size, and a worker has 300 MB. A full page of long mails is half of it.
MAX_BYTES = 16 * 1024 * 1024
# Said of the body as it was sent; here it is unpacked and whole.
_OF_THE_TRANSFER = {b"content-encoding", b"content-length", b"transfer-encoding"}


def read_whole(response: httpx.Response, what: str) -> httpx.Response:
    """Return a streamed answer with its body.

    Raises NotInTime when it is late, UnusableAnswer when it ends early, AnswerTooLong when it is over MAX_BYTES.
    """
    content = bytearray()
    try:
        for piece in response.iter_bytes():
            content += piece
            if len(content) > MAX_BYTES:
                raise AnswerTooLong(f"{what}: body over {MAX_BYTES} bytes")
    except httpx.TimeoutException as error:
        raise NotInTime(f"{what}: no whole answer in time") from error
    except httpx.RemoteProtocolError as error:
        raise UnusableAnswer(f"{what}: the body ends early ({error})") from error
    # As bytes: their letters may be of any encoding.
    headers = [pair for pair in response.headers.raw if pair[0].lower() not in _OF_THE_TRANSFER]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(content), request=response.request
    )
