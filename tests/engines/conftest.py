"""Tiny models with random weights, made once and loaded once."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.llama_cpp import LlamaCppEngine
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from tests.support.encoders import make_bert, make_reranker

CONTEXT = 256
CHATML = (
    "{% for message in messages %}"
    "{% if message.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "Byzer Lab answers questions about models, tables and notebooks.",
    "the quick brown fox jumps over the lazy dog, again and again",
    "你好，世界。今天天气很好。 Привет, мир! ¿Qué tal? 🙂🚀🎉",
] * 20


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def make_model(kind: str, folder: Path, *, template: bool = True, seed: int = 0) -> Path:
    """Save a model with random weights.

    Args:
        kind: ``llama``, ``gpt_neox`` (another family), ``gptj`` (its attention can't be paged) or
            ``t5`` (it has an encoder).
        folder: Where to save it.
        template: Give it a chat template.
        seed: Of the weights.
    """
    import torch
    import transformers

    tokenizer = make_tokenizer()
    if template:
        tokenizer.chat_template = CHATML
    common: dict[str, Any] = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    # Weights larger than usual, so that answers differ and are no near ties.
    wide = {"initializer_range": 0.5}
    heads = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    configs: dict[str, Callable[[], Any]] = {
        "llama": lambda: transformers.LlamaConfig(
            **common,
            **heads,
            **wide,
            num_key_value_heads=2,
            intermediate_size=128,
            max_position_embeddings=CONTEXT,
        ),
        "gpt_neox": lambda: transformers.GPTNeoXConfig(
            **common, **heads, **wide, intermediate_size=128, max_position_embeddings=CONTEXT
        ),
        "gptj": lambda: transformers.GPTJConfig(
            **common, **wide, n_embd=64, n_layer=2, n_head=4, rotary_dim=8, n_positions=CONTEXT
        ),
        "t5": lambda: transformers.T5Config(
            **common,
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=0,
            pad_token_id=0,
        ),
    }
    torch.manual_seed(seed)
    config = configs[kind]()
    auto = transformers.AutoModelForSeq2SeqLM if kind == "t5" else transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def load_engine(
    model: Path | str,
    infer_params: dict[str, Any] | None = None,
    concurrency: int = 24,
    progress: list[LoadProgress] | None = None,
) -> TransformersEngine:
    """Load as a worker does: on a thread of its own."""
    engine = TransformersEngine(
        EngineConfig(str(model), "custom/auto", infer_params or {}, concurrency)
    )
    report = (progress if progress is not None else []).append
    outcome: list[BaseException] = []

    def load() -> None:
        try:
            engine.load(report)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    if outcome:
        raise outcome[0]
    return engine


_numbers = itertools.count()


def ask(prompt: str | list[Message], **sampling: Any) -> GenerateRequest:
    """A request for a prompt or for messages."""
    return GenerateRequest(
        request_id=f"test-{next(_numbers)}",
        prompt=prompt if isinstance(prompt, str) else None,
        messages=None if isinstance(prompt, str) else prompt,
        sampling=Sampling(**sampling),
    )


async def answer(engine: TransformersEngine, request: GenerateRequest) -> tuple[str, Chunk]:
    """The whole text and the last chunk."""
    chunks = [chunk async for chunk in engine.generate(request)]
    assert [chunk.finish_reason is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]
    last = chunks[-1]
    assert last.usage is not None
    assert sum(chunk.tokens for chunk in chunks) == last.usage.output_tokens
    return "".join(chunk.text for chunk in chunks), last


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny model by its kind."""
    import torch

    # This thread's own; more would fight with the engine's on a small machine.
    torch.set_num_threads(1)
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = make_model(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def llama(model_folder: Callable[[str], Path]) -> Iterator[TransformersEngine]:
    engine = load_engine(model_folder("llama"))
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def gpt_neox(model_folder: Callable[[str], Path]) -> Iterator[TransformersEngine]:
    engine = load_engine(model_folder("gpt_neox"))
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def gptj(model_folder: Callable[[str], Path]) -> Iterator[TransformersEngine]:
    engine = load_engine(model_folder("gptj"))
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bare BERT."""
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def bge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an embedding model as sentence-transformers saves it."""
    return make_bert(tmp_path_factory.mktemp("bge"), modules=True)


@pytest.fixture(scope="session")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a cross-encoder."""
    return make_reranker(tmp_path_factory.mktemp("reranker"))


@pytest.fixture(scope="module")
async def bundled_transformers() -> AsyncIterator[TransformersEngine]:
    """The bundled model, on transformers."""
    made = load_engine(bundled_model())
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def bundled_llama_cpp() -> AsyncIterator[LlamaCppEngine]:
    """The same on llama.cpp."""
    made = LlamaCppEngine(EngineConfig(str(bundled_model()), "custom/auto", {}, 24))
    made.load(lambda _: None)
    yield made
    await made.close()
