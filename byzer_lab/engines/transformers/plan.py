"""Checks a request against a model of the transformers library, and plans it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byzer_lab.engines.checks import check_sampling, fit_answer, fit_prompt
from byzer_lab.engines.logprobs import notes_for
from byzer_lab.engines.plan import GREEDY_BELOW, GenerationPlan, Recipe
from byzer_lab.engines.transformers.prompt import encode_prompt
from byzer_lab.errors import ContextLengthError
from byzer_lab.types import GenerateRequest, Sampling

if TYPE_CHECKING:
    from byzer_lab.engines.transformers.loading import LoadedModel
    from byzer_lab.engines.transformers.pictures import Seen


def make_plan(
    request: GenerateRequest,
    loaded: LoadedModel,
    longest_request: int | None,
    seen: Seen | None = None,
) -> GenerationPlan:
    """Check a request and fill in what it leaves open.

    Args:
        request: The caller's.
        loaded: The model that will answer.
        longest_request: Tokens of prompt and answer that the cache can hold; ``None`` when only
            the model's window counts.
        seen: Its prompt, where there are pictures in it.

    Raises:
        InvalidRequestError: A value, the messages or the prompt can't be used.
        ContextLengthError: Prompt and answer don't fit.
    """
    sampling = request.sampling
    check_sampling(sampling, loaded.vocabulary)
    prompt = encode_prompt(request, loaded.tokenizer) if seen is None else seen.prompt
    shared = not loaded.model.config.is_encoder_decoder  # else each has a window of its own
    if not shared:
        fit_prompt(len(prompt), loaded.window)
    max_tokens = fit_answer(request, len(prompt) if shared else 0, loaded.window)
    if longest_request is not None and len(prompt) + max_tokens > longest_request:
        if sampling.max_tokens is not None or len(prompt) >= longest_request:
            raise _too_large(len(prompt), sampling.max_tokens, longest_request)
        max_tokens = longest_request - len(prompt)
    return GenerationPlan(
        request_id=request.request_id,
        prompt=prompt,
        max_tokens=max_tokens,
        end_tokens=_end_tokens(sampling, loaded),
        recipe=_make_recipe(sampling, loaded.model.generation_config),
        notes=notes_for(sampling.logprobs),
        adapter=request.adapter,
        inputs=None if seen is None else seen.inputs,
    )


def _too_large(prompt: int, max_tokens: int | None, cache: int) -> ContextLengthError:
    asked = "" if max_tokens is None else f" and max_tokens is {max_tokens}"
    return ContextLengthError(
        f"The prompt has {prompt} tokens{asked}, but the whole key-value cache of this deployment "
        f"holds {cache} tokens. Deploy with a larger num_blocks.",
        input_tokens=prompt,
        cache_tokens=cache,
    )


def _make_recipe(sampling: Sampling, defaults: Any) -> Recipe:
    """Fill in what the caller left open from the model's generation_config.

    A model whose generation_config doesn't say ``do_sample`` is greedy until the caller sets a
    temperature.

    Args:
        sampling: What the caller set, already checked.
        defaults: The model's ``GenerationConfig``.
    """

    def value(name: str, off: float) -> float:
        asked = getattr(sampling, name)
        if asked is None:
            asked = getattr(defaults, name, None)
        return off if asked is None else asked

    temperature = sampling.temperature
    if temperature is None:
        temperature = value("temperature", 1.0) if defaults.do_sample else 0.0
    return Recipe(
        temperature=0.0 if temperature < GREEDY_BELOW else temperature,
        top_k=max(0, int(value("top_k", 0))),
        top_p=value("top_p", 1.0),
        min_p=value("min_p", 0.0),
        repetition_penalty=value("repetition_penalty", 1.0),
        presence_penalty=sampling.presence_penalty or 0.0,
        frequency_penalty=sampling.frequency_penalty or 0.0,
        seed=sampling.seed,
    )


def _end_tokens(sampling: Sampling, loaded: LoadedModel) -> frozenset[int]:
    """The caller's end tokens and, unless they are to be ignored, the model's own.

    A stop text that is a special token, such as ``<|im_end|>``, is never seen as text: it ends the
    answer as a token.
    """
    special = loaded.special_tokens
    marks = [special[stop] for stop in sampling.stop or () if stop in special]
    own = [] if sampling.ignore_eos else loaded.end_of_text
    return frozenset([*(sampling.stop_token_ids or ()), *marks, *own])
