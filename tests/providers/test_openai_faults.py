"""Refusals, retries, broken answers: nothing is asked twice that may cost twice."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import Any

import pytest

from byzer_lab.errors import (
    ContentFilterError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
    from_wire,
)
from byzer_lab.providers import http
from byzer_lab.providers.failures import retry_after_s
from tests.providers.wire import DONE, KEY, asked, chunks, delta, question, streamed, text, usage
from tests.support.scripted_http import SSE, Reply, answer, event, events


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between tries, instead of waiting."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(http, "pause", note)
    return waited


def refusal(status: int, said: str = "No.", code: Any = None, **headers: str) -> Reply:
    """A refusal in OpenAI's form."""
    return answer({"error": {"message": said, "type": "t", "code": code}}, status, **headers)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_refusals_that_pass_are_tried_again(status: int, waits: list[float]) -> None:
    async with asked() as (made, server):
        server.script(refusal(status), refusal(status), streamed("Hi"))
        *_, last = await chunks(made, question())
        assert last.usage.provider.attempts == 3
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


async def test_retry_after_is_honoured(waits: list[float]) -> None:
    async with asked() as (made, server):
        later = email.utils.formatdate(time.time() + 30, usegmt=True)
        server.script(
            refusal(429, retry_after="7"),
            refusal(503, retry_after_ms="250"),
            refusal(429, retry_after=later),
            streamed("Hi"),
        )
        assert await text(made) == "Hi"
    assert waits[:2] == [7.0, 0.25]
    assert 20 < waits[2] <= 30


async def test_a_long_wait_is_the_callers_to_decide(waits: list[float]) -> None:
    async with asked() as (made, server):
        server.script(refusal(429, "Too many.", retry_after="3600"))
        with pytest.raises(ProviderRateLimitError, match="ask again in 3600 s") as caught:
            await text(made)
        assert caught.value.details["retry_after_s"] == 3600
    assert not waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6s"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "inf"}, None),
    ],
)
def test_waits_are_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


async def test_tries_end(waits: list[float]) -> None:
    async with asked(saas__max_retries=2) as (made, server):
        server.script(*(refusal(500, "Oops.", x_request_id="req_9") for _ in range(3)))
        with pytest.raises(ProviderUnavailableError) as caught:
            await text(made)
        assert caught.value.message == "saas/openai is not available (500): Oops."
        assert caught.value.details["request_id"] == "req_9"
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, None, ProviderRequestError),
        (401, "invalid_api_key", ProviderAuthenticationError),
        (403, None, ProviderAuthenticationError),
        (404, "model_not_found", ProviderRequestError),
        (400, "content_filter", ContentFilterError),
        (400, "content_policy_violation", ContentFilterError),
        (400, "data_inspection_failed", ContentFilterError),
        (402, None, ProviderQuotaError),
        (429, "insufficient_quota", ProviderQuotaError),
        (504, None, ProviderUnavailableError),
    ],
)
async def test_refusals_that_stay_are_not_tried_again(
    status: int, code: str | None, kind: type[ProviderError], waits: list[float]
) -> None:
    async with asked() as (made, server):
        server.script(refusal(status, "The provider's\n own words.", code))
        with pytest.raises(kind) as caught:
            await text(made)
        error = caught.value
        assert type(error) is kind
        assert error.message.count("The provider's own words.") == 1
        assert f"({status})" in error.message
        assert error.details["status"] == status
        over_there = from_wire(error.to_wire())
        assert type(over_there) is kind
        assert over_there.details == error.details
    assert not waits


async def test_the_providers_word_on_tries_counts(waits: list[float]) -> None:
    async with asked() as (made, server):
        server.script(refusal(500, x_should_retry="false"))
        with pytest.raises(ProviderUnavailableError):
            await text(made)
    assert not waits


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1113", ProviderQuotaError),
        ("1301", ContentFilterError),
        ("1302", ProviderRateLimitError),
    ],
)
async def test_codes_that_are_numbers(code: str, error: type[ProviderError]) -> None:
    async with asked("saas/zhipu", saas__max_retries=0) as (made, server):
        server.script(answer({"error": {"code": code, "message": "不行"}}, 429))
        with pytest.raises(error, match="不行"):
            await text(made)


async def test_a_refusal_with_the_status_of_success() -> None:
    body = {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    async with asked("saas/minimax") as (made, server):
        server.script(answer(body))
        with pytest.raises(ProviderQuotaError, match="insufficient balance"):
            await text(made)


async def test_a_busy_provider_that_says_so_in_its_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)
    busy = {"base_resp": {"status_code": 1002, "status_msg": "slow down"}}
    said = {"error": {"message": "Overloaded", "code": "server_busy"}}
    async with asked("saas/minimax") as (made, server):
        server.script(answer(busy), events(said), streamed("Hi"))
        got = await chunks(made, question())
        assert got[-1].usage.provider.attempts == len(server.seen) == 3
    async with asked("saas/minimax", saas__max_retries=0) as (made, server):
        server.script(answer(busy))
        with pytest.raises(ProviderRateLimitError, match="slow down"):
            await text(made)


async def test_a_page_instead_of_json() -> None:
    page = (
        b"<html><style>p {}</style><body><h1>403</h1> <p>Forbidden by the proxy</p></body></html>"
    )
    async with asked() as (made, server):
        server.script(Reply([page], 403, "text/html"))
        with pytest.raises(ProviderAuthenticationError, match=r"\(403\): 403 Forbidden by the p"):
            await text(made)


async def test_no_answer_at_all_is_not_asked_for_again(waits: list[float]) -> None:
    """The request went out whole: it may have been answered and charged."""
    async with asked() as (made, server):
        server.script(Reply(status=0))
        with pytest.raises(ProviderUnavailableError, match="did not answer"):
            await text(made)
    assert not waits


async def test_silence_in_the_middle_is_not_asked_for_again(waits: list[float]) -> None:
    async with asked(saas__timeout=0.2) as (made, server):
        server.script(Reply([event(delta("One"))], content_type=SSE, hold=True))
        answering = made.generate(question())
        await anext(answering)
        with pytest.raises(ProviderUnavailableError, match="broke its answer off after .* bytes"):
            await anext(answering)
    assert not waits


async def test_nobody_listens(unused_tcp_port: int, waits: list[float]) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with asked(saas__base_url=url, saas__max_retries=1) as (made, _):
        with pytest.raises(ProviderUnavailableError, match="can't be reached at") as caught:
            await text(made)
        assert url in caught.value.message
        assert KEY not in caught.value.message
    assert len(waits) == 1


async def test_a_cut_in_the_middle(waits: list[float]) -> None:
    async with asked() as (made, server):
        pieces = [event(delta("one ")), event(delta("two"))[:-9]]
        server.script(Reply(pieces, content_type=SSE, cut=True, gap_s=0.05))
        answering = made.generate(question())
        assert (await anext(answering)).text == "one "
        with pytest.raises(ProviderUnavailableError, match="broke its answer off"):
            await anext(answering)
    assert not waits


async def test_an_end_before_the_end() -> None:
    async with asked() as (made, server):
        server.script(events(delta("one")))
        with pytest.raises(ProviderUnavailableError, match="broke its answer off before its end"):
            await text(made)


async def test_a_failure_inside_of_an_answer() -> None:
    broken = {"error": {"message": "Overloaded", "code": "server_busy"}}
    async with asked() as (made, server):
        server.script(events(delta("one"), broken), events(delta("x"), delta(finish="error")))
        with pytest.raises(ProviderUnavailableError, match="Overloaded"):
            await text(made)
        with pytest.raises(ProviderUnavailableError, match=r"before its end \(error\)"):
            await text(made)


@pytest.mark.parametrize(
    "piece",
    [
        b'data: {"choices": [\n\n',
        b"data: 42\n\n",
        b"data: \xff\xfe\n\n",
        b'data: {"choices": 3}\n\n',
        b'data: {"choices": [{"delta": "x"}]}\n\n',
    ],
)
async def test_malformed_json(piece: bytes) -> None:
    async with asked() as (made, server):
        server.script(events(delta("one"), piece))
        with pytest.raises(ProviderError, match="sent (something that is not a|JSON of another)"):
            await text(made)


async def test_empty_choices() -> None:
    async with asked() as (made, server):
        server.script(
            events(usage(), DONE),
            answer({"choices": [], "usage": {}}),
            events({"choices": [], "prompt_filter_results": []}, delta("A", "stop"), usage(), DONE),
        )
        for _ in range(2):
            with pytest.raises(ProviderError, match="there is no choice in it"):
                await text(made)
        assert await text(made) == "A"  # Azure begins with a piece without choices


async def test_ten_megabytes() -> None:
    long = "长" * 3_400_000
    async with asked() as (made, server):
        server.script(streamed(long), streamed(*["x" * 1000] * 10_000))
        assert await text(made) == long
        assert len(await text(made)) == 10_000_000


async def test_cancelling_ends_the_wait_for_another_try() -> None:
    async with asked() as (made, server):
        server.script(refusal(429, retry_after="50"))
        task = asyncio.create_task(text(made))
        while not server.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_redirect_says_where_to() -> None:
    async with asked() as (made, server):
        server.script(Reply([b" "], 307, headers={"Location": "https://elsewhere/v1"}))
        with pytest.raises(ProviderError, match="redirect to https://elsewhere/v1; set saas.base_"):
            await text(made)


async def test_a_wrong_address_is_named() -> None:
    async with asked(path="") as (made, server):
        server.script(answer({"detail": "Not Found"}, 404))
        with pytest.raises(ProviderRequestError, match=r"Not Found.*usually ends in /v1"):
            await text(made)
