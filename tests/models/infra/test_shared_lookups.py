"""Equal lookups that come together share one that began after they were asked; failures and callers who go away."""

import asyncio

import pytest

from models.infra.shared_lookups import SharedLookups


class Desk:
    """Answers what is written on it when a lookup reaches it; a lookup ends when it is let go."""

    def __init__(self) -> None:
        self.lookups = SharedLookups[int]()
        self.value = 0
        self.begun = 0
        self.may_end = asyncio.Event()

    async def look(self) -> int:
        self.begun += 1
        seen = self.value
        await self.may_end.wait()
        return seen

    def ask(self) -> "asyncio.Task[int]":
        return asyncio.create_task(self.lookups.run("key", self.look))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_burst_costs_two_lookups_whatever_its_size() -> None:
    desk = Desk()
    asked = [desk.ask() for _ in range(50)]
    await settle()
    desk.may_end.set()
    assert await asyncio.gather(*asked) == [0] * 50
    assert desk.begun == 2


async def test_who_asks_after_a_change_never_gets_what_was_seen_before_it() -> None:
    desk = Desk()
    before = desk.ask()
    await settle()
    desk.value = 1
    after = [desk.ask() for _ in range(3)]
    await settle()
    desk.may_end.set()
    assert await before == 0
    assert await asyncio.gather(*after) == [1] * 3


async def test_different_keys_do_not_wait_for_each_other() -> None:
    desk = Desk()
    held = desk.ask()
    await settle()

    async def other() -> int:
        return 7

    assert await desk.lookups.run("other", other) == 7
    desk.may_end.set()
    await held


async def test_a_failure_reaches_everybody_who_shares_it_and_nobody_after() -> None:
    lookups = SharedLookups[int]()

    async def fail() -> int:
        raise LookupError

    async def work() -> int:
        return 1

    results = await asyncio.gather(*(lookups.run("key", fail) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(each, LookupError) for each in results)
    assert await lookups.run("key", work) == 1


async def test_a_caller_who_goes_away_takes_the_answer_from_nobody() -> None:
    desk = Desk()
    first, second = desk.ask(), desk.ask()
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    desk.may_end.set()
    assert await second == 0


async def test_nothing_is_kept_of_what_has_ended() -> None:
    desk = Desk()
    desk.may_end.set()
    await asyncio.gather(*(desk.ask() for _ in range(3)))
    await settle()
    assert desk.lookups.pending == 0
