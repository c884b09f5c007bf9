"""Train the tokenizer: a byte-level BPE that makes copying easy.

It is an ordinary Qwen2-style tokenizer to every reader (`pre=qwen2` in a GGUF). Only the way its
merges are chosen is special:

* merges are learned inside letter runs without the leading space, so that a name has the same
  pieces after a space, after a quote and at the start of a line;
* a leading character joins a word only as the last merge, and only for frequent whole words;
* Chinese merges stay inside one character;
* words seen rarely (the made-up ones) teach no merges, so unseen words fall into familiar pieces.

Run: ``python -m tools.bundled_model.train_tokenizer --out DIR``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import regex
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
)

from .chat_format import CHAT_TEMPLATE, message_texts
from .curriculum import training_chunk

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<tool_call>", "</tool_call>")
VOCABULARY = 1088
_WHOLE_WORDS = 180  # merges of a leading character and a word
_RARE = 25  # pretokens seen less often teach nothing
_EXAMPLES = 24_000

Pair = tuple[str, str]


def byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in printable}
    for extra, byte in enumerate(b for b in range(256) if b not in table):
        table[byte] = chr(256 + extra)
    return table


_LETTERS = byte_letters()


def _visible(text: str) -> str:
    return "".join(_LETTERS[b] for b in text.encode())


def count_pretokens(seed: int) -> Counter[str]:
    """How often every pretoken occurs in a sample of the stream."""
    counts: Counter[str] = Counter()
    pattern = regex.compile(QWEN2_PATTERN)
    for example in training_chunk(seed, 0, _EXAMPLES, progress=0.4):
        for text in message_texts(example):
            counts.update(pattern.findall(text))
    return counts


def split_units(counts: Counter[str]) -> tuple[Counter[str], Counter[Pair]]:
    """Units to learn merges in, and (leading character, word) pairs with their counts."""
    units: Counter[str] = Counter()
    led: Counter[Pair] = Counter()
    for token, count in counts.items():
        if count < _RARE or token.isdigit():
            continue
        head, body = ("", token) if token[0].isalpha() else (token[0], token[1:])
        if not body or not body[0].isalpha():
            units[token] += count
        elif ord(body[0]) >= 0x2E80:
            for character in body:
                units[character] += 3 * count  # else only the commonest get a token
        else:
            units[body] += count
            if head and len(body) > 1 and not (len(body) == 2 and body[0].isupper()):
                led[head, body] += count
    return units, led


def learn_merges(units: Counter[str], count: int) -> list[Pair]:
    """Plain BPE on damped counts (ties by text, so that the result is a function of the data)."""
    words = [([*_visible(unit)], seen**0.75) for unit, seen in sorted(units.items())]
    merges: list[Pair] = []
    while len(merges) < count:
        pairs: dict[Pair, float] = {}
        for pieces, weight in words:
            for pair in pairwise(pieces):
                pairs[pair] = pairs.get(pair, 0.0) + weight
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for pieces, _ in words:
            at = 0
            while at < len(pieces) - 1:
                if (pieces[at], pieces[at + 1]) == best:
                    pieces[at : at + 2] = [best[0] + best[1]]
                at += 1
    return merges


def build(seed: int) -> Tokenizer:
    """The trained tokenizer."""
    units, led = split_units(count_pretokens(seed))
    total = VOCABULARY - 256 - len(SPECIAL) - len(MARKERS)
    merges = learn_merges(units, total - _WHOLE_WORDS)
    known = {first + second for first, second in merges}
    candidates = sorted(led, key=lambda pair: (-led[pair], pair))
    whole = [(_visible(h), _visible(b)) for h, b in candidates if _visible(b) in known]
    merges += whole[: total - len(merges)]
    tokens = [*sorted(_LETTERS.values()), *(a + b for a, b in merges)]
    model = models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in MARKERS])
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, chat_template: str) -> None:
    """Write the tokenizer files of a Hugging Face folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "unk_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(chat_template)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    tokenizer = build(options.seed)
    save(tokenizer, options.out, CHAT_TEMPLATE)
    print(f"{tokenizer.get_vocab_size()} tokens in {options.out}")


if __name__ == "__main__":
    main()
