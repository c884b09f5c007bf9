"""``POST /v1/completions``: a text goes on, without a chat template.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response

from byzer_lab.gateway.asking import chunks_of, several, wholes
from byzer_lab.gateway.handling import Handler, Stream
from byzer_lab.gateway.openai import shapes, writing
from byzer_lab.gateway.openai.reading import read_sampling, refused
from byzer_lab.gateway.service import Exchange
from byzer_lab.types import GenerateRequest, TokenLogprob
from byzer_lab.web import json_response

MOST_PROMPTS = 128


class Completions(Handler[shapes.CompletionBody]):
    """The endpoint. Without ``max_tokens`` an answer is as long as the model makes it."""

    path = "/v1/completions"
    summary = "Go on with a text."
    body = shapes.CompletionBody
    example = {"model": "NAME", "prompt": "Once upon a time", "max_tokens": 50}

    async def answer(self, body: shapes.CompletionBody, exchange: Exchange) -> Response | Stream:
        name, adapter = self.service.find(body.model, exchange)
        requests = [
            request
            for number, prompt in enumerate(_prompts(body))
            for request in several(
                GenerateRequest(
                    request_id=f"{exchange.id}-{number}" if number else exchange.id,
                    prompt=prompt,
                    sampling=read_sampling(body, body.max_tokens, logprobs=body.logprobs),
                    adapter=adapter,
                ),
                body.n or 1,
            )
        ]
        if len(requests) > MOST_PROMPTS:
            raise refused("prompt", f"{len(requests)} answers are asked for, at most 128 may be.")
        if body.stream:
            return Stream(self._events(body, name, requests, exchange))
        answers = await wholes(self.service, name, requests, exchange)
        choices = [
            _choice(number, answer.text, body, answer.logprobs, 0, answer.finish)
            for number, answer in enumerate(answers)
        ]
        found = _completion(body, exchange, choices)
        return json_response(found | {"usage": writing.usage(exchange.usage)})

    async def _events(
        self,
        body: shapes.CompletionBody,
        name: str,
        requests: list[GenerateRequest],
        exchange: Exchange,
    ) -> AsyncGenerator[bytes]:
        counted = bool(body.stream_options and body.stream_options.include_usage)
        unused = {"usage": None} if counted else {}
        offsets = dict.fromkeys(range(len(requests)), 0)
        chunks = chunks_of(self.service, name, requests, exchange)
        async with contextlib.aclosing(chunks):
            async for number, chunk in chunks:
                if not (chunk.text or chunk.logprobs or chunk.finish_reason):
                    continue
                choice = _choice(
                    number, chunk.text, body, chunk.logprobs, offsets[number], chunk.finish_reason
                )
                offsets[number] += len(chunk.text)
                yield writing.event(_completion(body, exchange, [choice]) | unused)
        if counted:
            usage = {"usage": writing.usage(exchange.usage)}
            yield writing.event(_completion(body, exchange, []) | usage)
        yield writing.DONE


def _prompts(body: shapes.CompletionBody) -> list[str]:
    if body.echo:
        raise refused("echo", "the prompt is not sent back here; leave it out.")
    if body.suffix:
        raise refused("suffix", "no model here fills a gap between two texts; leave it out.")
    if body.best_of not in (None, 1, body.n):
        raise refused("best_of", "no engine here chooses among several answers; ask with n.")
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise refused("prompt", "send a text or texts; the numbers of tokens are not accepted.")
    return prompts


def _completion(
    body: shapes.CompletionBody, exchange: Exchange, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": f"cmpl-{exchange.id}",
        "object": "text_completion",
        "created": exchange.created,
        "model": body.model,
        "choices": choices,
        "system_fingerprint": None,
    }


def _choice(
    number: int,
    text: str,
    body: shapes.CompletionBody,
    tokens: list[TokenLogprob],
    offset: int,
    finish: str | None,
) -> dict[str, Any]:
    return {
        "index": number,
        "text": text,
        "logprobs": writing.old_logprobs(tokens, body.logprobs, offset),
        "finish_reason": None if finish is None else writing.finish_reason(finish),
    }
