"""Whether two models say the same: their logits on fixed prompts, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from byzer_lab.errors import EngineError

PROMPTS = (
    "The capital of France is Paris, and the capital of Japan is Tokyo.",
    "def add(first, second):\n    return first + second\n\nprint(add(2, 3))  # prints 5",
    '{"name": "Byzer", "numbers": [1, 2, 3], "nested": {"open": true, "of": null}}',
    "Question: A train leaves at 9:40 and needs 85 minutes. When does it arrive?\nAnswer:",
    "你好，世界。请用一句话介绍一下大语言模型的预训练和微调。",
    "Der schnelle braune Fuchs springt über den faulen Hund; el zorro marrón salta.",
    "SELECT name, count(*) FROM orders WHERE price > 10 GROUP BY name ORDER BY 2 DESC;",
    "Once upon a time there was a small model that learned to count: one, two, three,",
)
"""Of several languages and kinds; the same for every model."""
_MOST_TOKENS = 64
_DEFAULT_TOLERANCE = {torch.float32: 0.02}
_ROUNDED_TOLERANCE = 0.25  # of weights in 16 bits, whose every product is rounded


@dataclass(frozen=True)
class Comparison:
    """How far two models are apart.

    Attributes:
        max_difference: Largest absolute difference of two logits.
        mean_difference: Mean absolute difference.
        spread: Standard deviation of the first model's logits.
        drift: ``max_difference`` as a share of ``spread``.
        agreement: Share of the positions whose likeliest token is the same.
        positions: How many were compared.
    """

    max_difference: float
    mean_difference: float
    spread: float
    drift: float
    agreement: float
    positions: int

    def figures(self) -> dict[str, float]:
        """Its numbers by name."""
        return asdict(self)


def prompt_tokens(tokenizer: Any, vocabulary: int) -> list[list[int]]:
    """The fixed prompts as tokens that the model knows.

    Args:
        tokenizer: The model's.
        vocabulary: How many tokens the model has weights for.
    """
    tokens = [tokenizer.encode(text, add_special_tokens=True)[:_MOST_TOKENS] for text in PROMPTS]
    return [[min(token, vocabulary - 1) for token in prompt] for prompt in tokens if prompt]


def logits_of(model: Any, prompts: Sequence[Sequence[int]]) -> list[Any]:
    """A model's logits on prompts, in float32 on the host."""
    found = []
    with torch.inference_mode():
        for prompt in prompts:
            tokens = torch.tensor([list(prompt)], device=model.device)
            logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
            found.append(logits[0].float().cpu())
    return found


def compare(before: Sequence[Any], after: Sequence[Any]) -> Comparison:
    """Compare logits of the same prompts."""
    width = min(before[0].shape[-1], after[0].shape[-1])  # one may have more rows than tokens
    first = torch.cat([one[:, :width] for one in before])
    second = torch.cat([one[:, :width] for one in after])
    difference = (first - second).abs()
    spread = float(first.std())
    largest = float(difference.max()) if bool(torch.isfinite(second).all()) else float("inf")
    agreement = float((first.argmax(-1) == second.argmax(-1)).float().mean())
    drift = largest / spread if spread > 0 else (0.0 if largest == 0 else float("inf"))
    return Comparison(largest, float(difference.mean()), spread, drift, agreement, len(first))


def refuse_drift(
    found: Comparison, dtype: Any, tolerance: float | None, min_agreement: float, what: str
) -> None:
    """Refuse a model that differs from what it was made of.

    Args:
        found: The comparison.
        dtype: Number format of the weights.
        tolerance: Most drift; ``None`` decides by the number format.
        min_agreement: Least agreement.
        what: What was made of what, for the sentence.

    Raises:
        EngineError: It differs by more; the figures are in its details.
    """
    most = tolerance if tolerance is not None else tolerance_of(dtype)
    if found.drift <= most and found.agreement >= min_agreement:
        return
    raise EngineError(
        f"{what}: logits differ by up to {found.max_difference:.4g}, which is "
        f"{found.drift:.2g} of their spread (at most {most:g} is allowed), and the likeliest token "
        f"is the same at {found.agreement:.1%} of {found.positions} positions (at least "
        f"{min_agreement:.1%} is required). Nothing was saved.",
        **found.figures(),
    )


def tolerance_of(dtype: Any) -> float:
    """Most drift by default."""
    return _DEFAULT_TOLERANCE.get(dtype, _ROUNDED_TOLERANCE)
