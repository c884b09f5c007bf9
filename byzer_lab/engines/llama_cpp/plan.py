"""A request that was checked: its tokens, its limits, and how to choose each token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byzer_lab.engines.checks import check_sampling, fit_answer
from byzer_lab.engines.llama_cpp.prompt import ChatFormat, ChatTemplate, encode_prompt
from byzer_lab.engines.logprobs import notes_for
from byzer_lab.engines.plan import GREEDY_BELOW, GenerationPlan, Recipe
from byzer_lab.errors import ContextLengthError
from byzer_lab.types import GenerateRequest, Sampling

if TYPE_CHECKING:
    from byzer_lab.engines.llama_cpp.loading import Model


def make_plan(
    request: GenerateRequest,
    model: Model,
    template: ChatTemplate | ChatFormat | None,
    *,
    window: int,
    cache: int,
    seed: int | None,
) -> GenerationPlan:
    """Check a request and fill in what it leaves open.

    Args:
        request: The caller's.
        model: The model that will answer.
        template: Its chat template, or the format in its place; ``None`` when it has none.
        window: Tokens that prompt and answer may have together.
        cache: Tokens that the whole key-value cache holds.
        seed: Of requests that set none; ``None`` for a fresh one each.

    Raises:
        InvalidRequestError: A value, the messages or the prompt can't be used.
        ContextLengthError: Prompt and answer don't fit.
    """
    sampling = request.sampling
    check_sampling(sampling, model.vocabulary)
    prompt = encode_prompt(request, model, template)
    max_tokens = fit_answer(request, len(prompt), window)
    if len(prompt) + max_tokens > cache:
        if sampling.max_tokens is not None or len(prompt) >= cache:
            raise _too_large(len(prompt), sampling.max_tokens, cache)
        max_tokens = cache - len(prompt)
    return GenerationPlan(
        request_id=request.request_id,
        prompt=prompt,
        max_tokens=max_tokens,
        end_tokens=_end_tokens(sampling, model),
        recipe=_make_recipe(sampling, seed),
        notes=notes_for(sampling.logprobs),
    )


def _too_large(prompt: int, max_tokens: int | None, cache: int) -> ContextLengthError:
    asked = "" if max_tokens is None else f" and max_tokens is {max_tokens}"
    return ContextLengthError(
        f"The prompt has {prompt} tokens{asked}, but the whole key-value cache of this deployment "
        f"holds {cache} tokens. Deploy with a larger kv_cache_tokens.",
        input_tokens=prompt,
        cache_tokens=cache,
    )


def _make_recipe(sampling: Sampling, seed: int | None) -> Recipe:
    """A GGUF says nothing of sampling: what the caller leaves open is off, and no temperature is
    greedy."""
    temperature = sampling.temperature or 0.0
    return Recipe(
        temperature=0.0 if temperature < GREEDY_BELOW else temperature,
        top_k=max(0, sampling.top_k or 0),
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        min_p=sampling.min_p or 0.0,
        repetition_penalty=sampling.repetition_penalty or 1.0,
        presence_penalty=sampling.presence_penalty or 0.0,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        seed=seed if sampling.seed is None else sampling.seed,
    )


def _end_tokens(sampling: Sampling, model: Model) -> frozenset[int]:
    """The caller's end tokens and, unless they are to be ignored, the model's own.

    A stop text that is a special token, such as ``<|im_end|>``, is never seen as text: it ends the
    answer as a token.
    """
    found = [model.special_token(stop) for stop in sampling.stop or ()]
    marks = [token for token in found if token is not None]
    own = () if sampling.ignore_eos else model.end_of_text
    return frozenset([*(sampling.stop_token_ids or ()), *marks, *own])
