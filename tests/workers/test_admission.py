"""Slots and waiting places."""

from __future__ import annotations

import asyncio

import pytest

from byzer_lab.errors import NotReadyError, QueueFullError
from byzer_lab.workers.admission import Admission


async def hold(admission: Admission, order: list[int], number: int, gate: asyncio.Event) -> None:
    async with admission:
        order.append(number)
        await gate.wait()


async def test_waiting_requests_enter_in_order() -> None:
    admission, order, gate = Admission("m", slots=2, places=10), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, order, n, gate)) for n in range(6)]
    await asyncio.sleep(0)
    assert (admission.in_flight, admission.queued) == (2, 4)
    gate.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4, 5]
    assert admission.idle
    assert admission.finished == 6


async def test_a_full_queue_refuses_in_one_sentence() -> None:
    admission, gate = Admission("m", slots=1, places=1), asyncio.Event()
    tasks = [asyncio.create_task(hold(admission, [], n, gate)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError, match=r"'m' is full: 1 requests .* 1 wait"):
        await hold(admission, [], 3, gate)
    gate.set()
    await asyncio.gather(*tasks)
    assert admission.idle


@pytest.mark.parametrize("the_slot_comes", ["never", "before", "after"])
async def test_a_cancelled_place_loses_no_slot(the_slot_comes: str) -> None:
    """Also when the slot is handed over in the moment of the cancellation, in either order."""
    admission, first, second = Admission("m", 1, 5), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(hold(admission, [], 0, first))
    await asyncio.sleep(0)
    waiter = asyncio.create_task(hold(admission, [], 1, second))
    last = asyncio.create_task(hold(admission, [], 2, second))
    await asyncio.sleep(0)
    if the_slot_comes == "before":
        first.set()
        await holder  # the slot now belongs to the waiter, which has not run yet
    elif the_slot_comes == "after":
        first.set()  # the holder leaves in the next turn, just before the waiter wakes up
    waiter.cancel()
    first.set()
    second.set()
    await asyncio.gather(holder, waiter, last, return_exceptions=True)
    assert waiter.cancelled()
    assert admission.idle


async def test_a_draining_worker_takes_nothing_new() -> None:
    admission = Admission("m", 1, 1)
    admission.draining = True
    with pytest.raises(NotReadyError, match="going down"):
        async with admission:
            pass
