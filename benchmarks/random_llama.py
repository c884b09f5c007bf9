"""A Llama with random weights for benchmarks of engines, and its way into one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.transformers import TransformersEngine


def save_llama(folder: Path, tokenizer: Any, vocabulary: int, hidden: int, layers: int) -> None:
    """Save a model.

    Args:
        folder: Where to save it.
        tokenizer: A ``tokenizers.Tokenizer`` whose first token is ``<end>``.
        vocabulary: How many logits it has.
        hidden: Its width.
        layers: Its depth.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=3 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            num_key_value_heads=max(1, hidden // 128),
            max_position_embeddings=2048,
            initializer_range=0.1,
            eos_token_id=0,
            bos_token_id=None,
        )
    ).save_pretrained(folder)


def load(folder: str, concurrency: int) -> TransformersEngine:
    """Load the engine as a worker does: on a thread of its own, with one processor thread."""
    config = EngineConfig(folder, "custom/auto", {"num_threads": 1}, concurrency)
    engine = TransformersEngine(config)
    thread = threading.Thread(target=engine.load, args=(lambda _: None,))
    thread.start()
    thread.join()
    engine.meta()  # raises when loading failed
    return engine
