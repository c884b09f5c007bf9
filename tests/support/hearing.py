"""A tiny Whisper that a test trains in less than a minute, and the sounds that it understands.

Tones are words: a deep one says "low", higher ones "mid" and "high". A pure tone is English and a
hollow one (odd overtones only) German: "tief", "mittel", "hoch". So a transcript, its language, its
translation and its times can be right or wrong.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
WINDOW_S = 3
SLOT_S = 0.5
PITCHES = {"low": 250.0, "mid": 700.0, "high": 1800.0}
WORDS = {
    "en": {"low": "low", "mid": "mid", "high": "high"},
    "de": {"low": "tief", "mid": "mittel", "high": "hoch"},
}
SPECIAL = (
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>"),
    *("<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
EXAMPLES = 900
STEPS = 400
BATCH = 16

Samples = np.ndarray[Any, np.dtype[np.float32]]


def tone(word: str, language: str = "en", seconds: float = 0.4, rate: int = RATE) -> Samples:
    """One word as a sound."""
    time = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * PITCHES[word] * time)
    if language == "de":
        wave = wave + sum(np.sin(2 * np.pi * PITCHES[word] * n * time) / n for n in (3, 5))
    ramp = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return (0.4 * wave * ramp).astype(np.float32)


def spoken(words: list[str], language: str = "en", rate: int = RATE, lead_s: float = 0) -> Samples:
    """Words one after the other, each in a slot of half a second."""
    parts = [np.zeros(round(lead_s * rate), np.float32)]
    for word in words:
        said = tone(word, language, rate=rate)
        parts += [said, np.zeros(round(SLOT_S * rate) - len(said), np.float32)]
    return np.concatenate(parts)


def make_tokenizer() -> Any:
    """A tokenizer of Whisper's kind for these words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import AddedToken, WhisperTokenizer

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=[], show_progress=False
    )
    texts = [f" {word}" for words in WORDS.values() for word in words.values()]
    bare.train_from_iterator(texts * 20, trainer)
    learnt = json.loads(bare.to_str())["model"]
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = WhisperTokenizer(vocab=learnt["vocab"], merges=merges)
    tokenizer.add_special_tokens(
        {"extra_special_tokens": [AddedToken(name, special=True) for name in SPECIAL]}
    )
    times = [f"<|{step * 0.02:.2f}|>" for step in range(WINDOW_S * 50 + 1)]
    tokenizer.add_tokens([AddedToken(name, special=False) for name in times])
    return tokenizer


def make_whisper(folder: Path, seed: int = 0) -> Path:
    """Train one and save it."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    torch.manual_seed(seed)
    chance = random.Random(seed)
    tokenizer = make_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    extractor = WhisperFeatureExtractor(feature_size=40, chunk_length=WINDOW_S)
    end = number("<|endoftext|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=40,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        d_model=64,
        max_source_positions=WINDOW_S * 50,
        max_target_positions=64,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=number("<|startoftranscript|>"),
        dropout=0.0,
    )
    model = WhisperForConditionalGeneration(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    sounds, all_texts = zip(
        *(_example(chance, number, tokenizer) for _ in range(EXAMPLES)), strict=True
    )
    heard = extractor(list(sounds), sampling_rate=RATE, return_tensors="pt").input_features
    for _ in range(STEPS):
        chosen = chance.sample(range(EXAMPLES), BATCH)
        features, texts = heard[chosen], [all_texts[place] for place in chosen]
        longest = max(map(len, texts))
        labels = torch.tensor([text + [-100] * (longest - len(text)) for text in texts])
        inputs = labels[:, :-1].clamp(min=0).where(labels[:, :-1] >= 0, torch.tensor(end))
        logits = model(input_features=features, decoder_input_ids=inputs).logits
        wanted = labels[:, 1:].clone()
        wanted[:, 1] = -100  # the task is told, never guessed
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=-100
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number(f"<|{code}|>") for code in WORDS},
        task_to_id={task: number(f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=number("<|notimestamps|>"),
        prev_sot_token_id=number("<|startofprev|>"),
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=64,
        max_initial_timestamp_index=None,
        return_timestamps=False,
        alignment_heads=[[1, head] for head in range(4)],
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _example(chance: random.Random, number: Any, tokenizer: Any) -> tuple[Samples, list[int]]:
    """A sound and what is to be written down: its language, a task, text with times or without."""
    language = chance.choice(list(WORDS))
    task = chance.choice(["transcribe", "translate"])
    timed = chance.random() < 0.5
    words = [chance.choice(list(PITCHES)) for _ in range(chance.randint(0, 6))]
    lead = 0 if len(words) in (0, 6) else chance.choice([0, 0.02, 0.1, 0.2, 0.3])
    sound = spoken(words, language, lead_s=lead)
    sound = sound if len(sound) else np.zeros(RATE, np.float32)
    hiss = np.random.default_rng(chance.randrange(10**9)).normal(0, 1, len(sound))
    loudness = chance.choice([0, 0.0005, 0.003])
    sound = (sound * chance.uniform(0.3, 1.5) + loudness * hiss).astype(np.float32)
    written = WORDS["en" if task == "translate" else language]
    tokens = [number(f"<|{name}|>") for name in ("startoftranscript", language, task)]
    if not timed:
        tokens.append(number("<|notimestamps|>"))
    for place, word in enumerate(words):
        begin = lead + place * SLOT_S
        text = tokenizer(f" {written[word]}", add_special_tokens=False).input_ids
        if timed:
            begins, ends = (number(f"<|{at:.2f}|>") for at in (begin, begin + 0.4))
            text = [begins, *text, ends]
        tokens += text
    return sound, [*tokens, number("<|endoftext|>")]
