"""Families that are translated into the library's terms, or loaded by code of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.types import Message, TemplateRequest
from tests.engines.conftest import CONTEXT, CORPUS, answer, ask, load_engine
from tests.support.encoders import change_config

VOCABULARY = 420
MARKS = ("<reserved_106>", "<reserved_107>")
CODE = {"AutoConfig": "gone.Config", "AutoModelForCausalLM": "gone.Model"}


def greedy(model: Any, tokens: list[int], count: int = 16) -> list[int]:
    ids = torch.tensor([tokens])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count
    )
    found: list[int] = made[0, len(tokens) :].tolist()
    return found


def make_baichuan(folder: Path, *, second: bool) -> tuple[Any, Any]:
    """Save a tiny Baichuan; returns the Llama it is made from and its SentencePiece tokenizer."""
    import sentencepiece
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    (folder / "corpus.txt").write_text("\n".join(CORPUS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        character_coverage=0.99,
        user_defined_symbols=list(MARKS),
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.5,
        eos_token_id=2,
    )
    llama = LlamaForCausalLM(config).eval()
    weights = dict(llama.state_dict())
    for layer in range(2):
        name = f"model.layers.{layer}.self_attn"
        parts = [weights.pop(f"{name}.{part}_proj.weight") for part in "qkv"]
        weights[f"{name}.W_pack.weight"] = torch.cat(parts)
    weights = {name: value.clone() for name, value in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    if second:
        rows = llama.lm_head.weight.data
        rows.copy_(torch.nn.functional.normalize(rows))
    own = {
        "architectures": ["BaichuanForCausalLM"],
        "auto_map": CODE,
        "model_type": "baichuan",
        "torch_dtype": "float32",
        "eos_token_id": 2,
        "bos_token_id": 1,
        **{name: getattr(config, name) for name in ("vocab_size", "hidden_size")},
        **{name: getattr(config, name) for name in ("intermediate_size", "num_hidden_layers")},
        **{name: getattr(config, name) for name in ("num_attention_heads", "rms_norm_eps")},
        "max_position_embeddings": CONTEXT,
        "model_max_length": CONTEXT,
        "tie_word_embeddings": False,
    }
    if second:
        own["z_loss_weight"] = 0
        marks = {
            "user_token_id": pieces.piece_to_id(MARKS[0]),
            "assistant_token_id": pieces.piece_to_id(MARKS[1]),
        }
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **marks}))
    (folder / "config.json").write_text(json.dumps(own))
    tokenizer = {
        "tokenizer_class": "BaichuanTokenizer",
        "auto_map": {"AutoTokenizer": ["gone.Tokenizer", None]},
        "add_bos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return llama, pieces


@pytest.mark.parametrize("second", [False, True])
async def test_baichuan_is_a_llama_without_running_its_code(tmp_path: Path, second: bool) -> None:
    pytest.importorskip("sentencepiece")
    llama, pieces = make_baichuan(tmp_path, second=second)
    engine = load_engine(tmp_path, concurrency=4)
    try:
        assert engine.meta()["batching"] == "continuous"
        assert engine.meta()["architectures"] == ["BaichuanForCausalLM"]
        assert engine.meta()["context_length"] == CONTEXT
        loaded = engine._loaded
        assert loaded is not None
        ids = torch.arange(5, 40).unsqueeze(0)
        with torch.no_grad():
            assert torch.equal(loaded.model(ids).logits, llama(ids).logits)
        for text in ("the quick brown fox", "  two  spaces", "你好，世界 🙂", "\tByzer Lab"):
            tokens = pieces.encode(text)
            assert loaded.tokenizer.encode(text) == tokens
            asked = ask(text, max_tokens=16, logprobs=0)
            chunks = [chunk async for chunk in engine.generate(asked)]
            made = [entry.token for chunk in chunks for entry in chunk.logprobs]
            assert made == greedy(llama, tokens)
        messages = [
            Message(role="system", content="Be kind."),
            Message(role="user", content="你好"),
            Message(role="assistant", content="Hi."),
            Message(role="user", content="Who?"),
        ]
        if not second:
            with pytest.raises(InvalidRequestError, match="no chat template"):
                await engine.apply_chat_template(TemplateRequest(messages))
            return
        user, assistant = (pieces.piece_to_id(mark) for mark in MARKS)
        wanted_tokens = [
            *pieces.encode("Be kind."),
            *(user, *pieces.encode("你好")),
            *(assistant, *pieces.encode("Hi.")),
            *(user, *pieces.encode("Who?")),
            assistant,
        ]
        prompt = (await engine.apply_chat_template(TemplateRequest(messages))).text
        assert loaded.tokenizer.encode(prompt) == wanted_tokens
        text, _ = await answer(engine, ask(messages, max_tokens=8))
        assert not any(mark in text for mark in MARKS)
        with pytest.raises(InvalidRequestError, match="no place for a tool message"):
            await answer(engine, ask([Message(role="tool", content="x")]))
    finally:
        await engine.close()


def test_baichuan_in_four_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    llama, _ = make_baichuan(tmp_path, second=True)
    engine = load_engine(tmp_path, {"quantization": "4"}, concurrency=2)
    loaded = engine._loaded
    assert loaded is not None
    ids = torch.arange(5, 40).unsqueeze(0)
    with torch.no_grad():
        found, wanted = (one(ids).logits.flatten() for one in (loaded.model, llama))
    assert torch.nn.functional.cosine_similarity(found, wanted, 0) > 0.8
    asyncio.run(engine.close())


@pytest.mark.parametrize("groups", [None, 2])
def test_the_first_copies_of_falcon(tmp_path: Path, groups: int | None) -> None:
    from transformers import FalconConfig, FalconForCausalLM

    from tests.engines.conftest import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(3)
    config = FalconConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_kv_heads=groups,
        new_decoder_architecture=groups is not None,
        multi_query=groups is None,
        alibi=False,
        initializer_range=0.5,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = FalconForCausalLM(config).eval()
    model.save_pretrained(tmp_path)
    old = {
        "model_type": "RefinedWebModel" if groups is None else "RefinedWeb",
        "architectures": ["RWForCausalLM"],
        "auto_map": CODE,
        "hidden_size": 64,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": len(tokenizer),
        "alibi": False,
        "bias": False,
        "parallel_attn": True,
        "eos_token_id": tokenizer.eos_token_id,
        "torch_dtype": "float32",
        **({"multi_query": True} if groups is None else {"n_head_kv": groups}),
    }
    (tmp_path / "config.json").write_text(json.dumps(old))
    engine = load_engine(tmp_path, concurrency=2)
    loaded = engine._loaded
    assert loaded is not None
    ids = torch.arange(5, 40).unsqueeze(0)
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, model(ids).logits)
    text, _ = asyncio.run(answer(engine, ask("hello", max_tokens=8, ignore_eos=True)))
    assert engine.meta()["architectures"] == ["FalconForCausalLM"]
    asyncio.run(engine.close())
    wanted = tokenizer.decode(greedy(model, tokenizer.encode("hello"), 8), skip_special_tokens=True)
    assert text.rstrip("\ufffd") == wanted.rstrip("\ufffd")


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class ChatGLMConfig(LlamaConfig):
    model_type = "chatglm"

class ChatGLMForConditionalGeneration(LlamaForCausalLM):
    config_class = ChatGLMConfig
"""


def test_code_that_comes_with_a_model_runs_when_it_is_allowed(
    model_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "own_glm"
    shutil.copytree(model_folder("llama"), folder)
    (folder / "modeling_own.py").write_text(OWN_CODE)
    name = "ChatGLMForConditionalGeneration"
    change_config(
        folder,
        model_type="chatglm",
        architectures=[name],
        auto_map={
            "AutoConfig": "modeling_own.ChatGLMConfig",
            "AutoModelForCausalLM": f"modeling_own.{name}",
        },
    )
    with pytest.raises(InvalidRequestError, match=f"modeling_own.{name}.*trust_remote_code=true"):
        load_engine(folder)
    engine = load_engine(folder, {"trust_remote_code": "true"}, concurrency=2)
    plain = load_engine(model_folder("llama"), concurrency=2)
    assert engine.meta()["architectures"] == [name]
    texts = [asyncio.run(answer(one, ask("hello", max_tokens=12)))[0] for one in (engine, plain)]
    assert texts[0] == texts[1]
    for one in (engine, plain):
        asyncio.run(one.close())


def test_code_that_fails_is_told_in_one_sentence(
    model_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "old_glm"
    shutil.copytree(model_folder("llama"), folder)
    (folder / "modeling_old.py").write_text("from transformers import NoSuchThingAnyMore\n")
    change_config(folder, model_type="chatglm", auto_map={"AutoConfig": "modeling_old.Config"})
    with pytest.raises((InvalidRequestError, EngineError), match="NoSuchThingAnyMore") as caught:
        load_engine(folder, {"trust_remote_code": True})
    assert "\n" not in caught.value.message
