"""Tiny embedding and rerank models with random weights."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.families import make_engine
from byzer_lab.engines.sentence_transformers import EmbeddingEngine
from byzer_lab.vectors import EmbedAnswer, EmbedRequest

CONTEXT = 64
CORPUS = [
    "Byzer Lab answers questions about models, tables and notebooks.",
    "the quick brown fox jumps over the lazy dog",
    "what is panda? The giant panda is a bear species endemic to China.",
] * 10
_numbers = itertools.count()


def _save_tokenizer(folder: Path, *, single: str, pair: str, names: dict[str, str]) -> int:
    """Train a WordPiece tokenizer; ``single`` and ``pair`` say where its special tokens go."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token=names["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [names[name] for name in ("pad_token", "unk_token", "cls_token", "sep_token")]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[(token, special.index(token)) for token in special],
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def make_bert(folder: Path, *, modules: bool = False) -> Path:
    """Save an embedding model.

    Args:
        folder: Where to save it.
        modules: As a sentence-transformers folder with the first token as the text's vector and
            vectors of length 1, as BGE is published; else as a bare BERT.
    """
    import torch
    from transformers import BertConfig, BertModel

    names = {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    names |= {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    size = _save_tokenizer(
        folder, single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", names=names
    )
    torch.manual_seed(0)
    config = BertConfig(vocab_size=size, max_position_embeddings=CONTEXT, **_small())
    BertModel(config).save_pretrained(folder)
    if modules:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

        encoder = SentenceTransformer(str(folder), device="cpu")
        parts = [encoder[0], Pooling(64, "cls"), Normalize()]
        SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder))
    return folder


def make_reranker(folder: Path, labels: int = 1) -> Path:
    """Save a model of the kind of bge-reranker: XLM-RoBERTa that classifies."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    size = _save_tokenizer(
        folder, single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", names=names
    )
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=size,
        # One position is the padding token's.
        max_position_embeddings=CONTEXT + 1,
        pad_token_id=0,
        type_vocab_size=1,
        num_labels=labels,
        **_small(),
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    return folder


def _small() -> dict[str, Any]:
    # Weights larger than usual, so that vectors and scores differ.
    layers = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return {**layers, "intermediate_size": 128, "initializer_range": 0.3}


def change_config(folder: Path, **changes: Any) -> None:
    """Change a saved model's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def load_encoder(
    folder: Path | str,
    kind: str = "custom/m3e",
    progress: list[LoadProgress] | None = None,
    **params: Any,
) -> Any:
    """Load as a worker does."""
    engine: Any = make_engine("transformers", EngineConfig(str(folder), kind, params, 16))
    engine.load((progress if progress is not None else []).append)
    return engine


async def embed(engine: EmbeddingEngine, texts: list[str], **options: Any) -> EmbedAnswer:
    """Ask an engine for vectors."""
    return await engine.embed(EmbedRequest(f"test-{next(_numbers)}", texts, **options))


def vectors(answer: EmbedAnswer) -> Any:
    """Rows of an answer."""
    return np.array([np.frombuffer(vector, "<f4") for vector in answer.vectors])
