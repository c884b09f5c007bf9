"""Families whose files are translated, because the library has their model but not their names.

Their own Python code is not run. Baichuan of 7 billion weights is a Llama whose three projections
are stored as one; the first copies of Falcon have other names in config.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    FalconConfig,
    FalconForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
    PreTrainedConfig,
)
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import Chunk, WeightConverter
from transformers.utils import cached_file

from byzer_lab.engines.folder import ModelSource
from byzer_lab.errors import EngineError, describe

_BAICHUAN_2_VOCABULARY = 125_696
_CHAT = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}USER{{ message.content }}"
    "{% elif message.role == 'assistant' %}ASSISTANT{{ message.content }}"
    "{% elif message.role == 'system' and loop.first %}{{ message.content }}"
    "{% else %}{{ raise_exception('no place for a ' + message.role + ' message here') }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT{% endif %}"
)


@dataclass(frozen=True)
class Translated:
    """A model in the library's terms.

    Attributes:
        config: Its configuration.
        model_class: The class that loads its weights.
        tokenizer: Its tokenizer; ``None`` where the library loads it by itself.
    """

    config: Any
    model_class: Any
    tokenizer: Any = None


def translated(source: ModelSource) -> Translated | None:
    """A model of a family that is translated; ``None`` for every other one.

    Args:
        source: Where the model is.

    Raises:
        EngineError: Its tokenizer can't be read.
    """
    found, _ = PreTrainedConfig.get_config_dict(source.name, local_files_only=source.offline)
    kind = found.get("model_type")
    if kind == "baichuan":
        return Translated(_baichuan_config(found), BaichuanForCausalLM, _baichuan_tokenizer(source))
    if kind in ("RefinedWeb", "RefinedWebModel"):
        return Translated(_falcon_config(found), FalconForCausalLM)
    return None


class BaichuanForCausalLM(LlamaForCausalLM):  # type: ignore[misc]
    """A Llama that is loaded from Baichuan's weights."""

    def settle(self) -> None:
        """Baichuan 2 scales the rows of its last layer to length 1 at each step; here once."""
        if self.config.scales_last_layer:
            with torch.no_grad():
                rows = self.lm_head.weight
                rows.copy_(torch.nn.functional.normalize(rows))


_NAMES = [f"self_attn.{part}_proj.weight" for part in "qkv"]
register_checkpoint_conversion_mapping(
    BaichuanForCausalLM.__name__,
    [WeightConverter("self_attn.W_pack.weight", _NAMES, [Chunk(dim=0)])],
    overwrite=True,
)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """What is left of a config.json without its kind and the code that it names."""
    return {name: value for name, value in found.items() if name not in ("model_type", "auto_map")}


def _baichuan_config(found: dict[str, Any]) -> Any:
    window = found.get("max_position_embeddings") or found.get("model_max_length")
    second = found.get("vocab_size") == _BAICHUAN_2_VOCABULARY or "z_loss_weight" in found
    config = LlamaConfig(**{**_plain(found), "max_position_embeddings": window})
    config.scales_last_layer = second
    return config


def _baichuan_tokenizer(source: ModelSource) -> Any:
    try:
        import sentencepiece
    except ImportError as error:
        raise EngineError(
            f"The tokenizer of {source.name!r} needs the library sentencepiece "
            f"({describe(error)}); install it where the workers run."
        ) from error
    offline = {"local_files_only": source.offline}
    file = cached_file(source.name, "tokenizer.model", **offline)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(file))
    tokenizer = LlamaTokenizer.from_pretrained(
        source.name,
        # The library doesn't read from the file whether a text begins with a space.
        add_prefix_space=pieces.encode("a", out_type=str)[0].startswith("\u2581"),
        add_bos_token=False,
        add_eos_token=False,
        **offline,
    )
    marks = _chat_marks(source)
    if marks is not None and not tokenizer.chat_template:
        # Baichuan's own code puts these tokens before each turn.
        names = [pieces.id_to_piece(mark) for mark in marks]
        tokenizer.add_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        template = _CHAT.replace("USER", names[0]).replace("ASSISTANT", names[1])
        tokenizer.chat_template = template
    return tokenizer


def _chat_marks(source: ModelSource) -> tuple[int, int] | None:
    """The tokens that begin a user's and the assistant's turn."""
    try:
        found = GenerationConfig.from_pretrained(source.name, local_files_only=source.offline)
    except OSError:  # there is no such file
        return None
    user = getattr(found, "user_token_id", None)
    assistant = getattr(found, "assistant_token_id", None)
    return (user, assistant) if user is not None and assistant is not None else None


def _falcon_config(found: dict[str, Any]) -> Any:
    renamed = {"n_layer": "num_hidden_layers", "n_head": "num_attention_heads"}
    plain = {renamed.get(name, name): value for name, value in _plain(found).items()}
    groups = plain.pop("n_head_kv", None)
    if groups is not None:
        plain |= {"num_kv_heads": groups, "new_decoder_architecture": True}
    return FalconConfig(**{**plain, "architectures": ["FalconForCausalLM"]})
