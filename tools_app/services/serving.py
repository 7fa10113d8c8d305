"""What this server process is doing: requests under way, and whether it is about to stop.

Streams are counted apart: they last as long as their clients like, so stopping ends them instead of waiting.
"""

import asyncio


class Serving:
    """Counts requests; belongs to one event loop."""

    def __init__(self) -> None:
        self.requests = 0
        # Answers sent while the process stops tell their client to connect anew, elsewhere.
        self.stopping = False

    def begin(self) -> None:
        """A request came."""
        self.requests += 1

    def end(self) -> None:
        """A request was answered, or turned out to be a stream."""
        self.requests -= 1

    async def drained(self, timeout_s: float) -> bool:
        """Wait until no request is under way; False when some still are after `timeout_s` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self.requests > 0:
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True


serving = Serving()
