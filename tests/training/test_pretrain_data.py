"""Rows become streams of tokens, of which every step takes its blocks: all of them, and once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.errors import InvalidRequestError
from byzer_lab.training.pretrain.corpus import BadRows, write_streams
from byzer_lab.training.pretrain.schedule import Schedule
from byzer_lab.training.pretrain.streams import Streams, find_streams
from byzer_lab.training.tokenizers import Tokenizer, read_tokenizer

STRICT = BadRows(False, 0.0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return read_tokenizer(str(bundled_model()))


@pytest.fixture
def tokenise(tmp_path: Path, tokenizer: Tokenizer) -> Callable[..., tuple[Streams, list[str]]]:
    def run(data: Path, workers: int = 1, bad: BadRows = STRICT) -> tuple[Streams, list[str]]:
        folder = tmp_path / "job" / "finetune_data"
        return write_streams(
            str(data), folder, tokenizer, workers, bad, {"of": "test"}, lambda _: None
        )

    return run


def texts_of(streams: Streams, rank: int, tokenizer: Tokenizer) -> list[str]:
    tokens = streams.open(rank).tolist()
    assert tokens[-1] == tokenizer.end
    texts, begin = [], 0
    for place, token in enumerate(tokens):
        if token == tokenizer.end:
            texts.append(tokenizer.library.decode(tokens[begin:place]))
            begin = place + 1
    return texts


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return path


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_pass_takes_every_block_once(accumulation: int, shuffle: bool) -> None:
    schedule = Schedule((101, 64, 2), 10, 3, accumulation, 7, shuffle)
    assert [schedule.blocks(rank) for rank in range(3)] == [10, 7, 1]
    orders = []
    for turn in range(2):
        for rank, tokens in enumerate(schedule.tokens):
            predicted = np.zeros(tokens, dtype=int)
            order = []
            for step in range(schedule.steps_per_pass):
                parts = schedule.step(turn * schedule.steps_per_pass + step, rank)
                assert len(parts) == accumulation
                for block in (block for part in parts for block in part):
                    begin, end = schedule.span(block)
                    predicted[begin + 1 : end] += 1
                    order.append(block)
            assert predicted[0] == 0
            assert set(predicted[1:]) == {1}
            orders.append(order)
    assert (orders[0] != orders[3]) is shuffle  # the second pass of rank 0


def test_a_step_is_the_same_whenever_it_is_asked() -> None:
    first, second = (Schedule((1000, 900), 16, 2, 1, 3, True) for _ in range(2))
    forwards = [first.step(step, 1) for step in range(80)]
    assert [second.step(step, 1) for step in reversed(range(80))] == forwards[::-1]


def test_partitions_go_to_their_workers(
    tmp_path: Path, tokenizer: Tokenizer, tokenise: Callable[..., tuple[Streams, list[str]]]
) -> None:
    write(tmp_path / "data" / "data-0" / "a.jsonl", [{"text": "one two"}, {"text": "three"}])
    write(tmp_path / "data" / "data-1.jsonl", [{"text": "four"}])
    streams, warnings = tokenise(tmp_path / "data", 2)
    assert texts_of(streams, 0, tokenizer) == ["one two", "three"]
    assert texts_of(streams, 1, tokenizer) == ["four"]
    assert any("largest partition" in sentence for sentence in warnings)
    assert find_streams(streams.folder, {"of": "test"}) == streams
    assert find_streams(streams.folder, {"of": "other"}) is None


def test_other_partitions_are_dealt_out_evenly(
    tmp_path: Path, tokenizer: Tokenizer, tokenise: Callable[..., tuple[Streams, list[str]]]
) -> None:
    rows = [f"the text number {n} " * (1 + n % 3) for n in range(30)]
    for part in range(3):
        write(tmp_path / "data" / f"data-{part}.jsonl", [{"text": text} for text in rows[part::3]])
    streams, warnings = tokenise(tmp_path / "data", 2)
    assert "3 partitions for 2 workers" in warnings[0]
    both = [text for rank in range(2) for text in texts_of(streams, rank, tokenizer)]
    assert sorted(both) == sorted(rows)
    longest = max(len(tokens) for tokens in tokenizer.encode(rows)) + 1
    assert abs(streams.tokens[0] - streams.tokens[1]) <= longest
    report = json.loads((tmp_path / "job" / "data_report.json").read_text())
    assert report["texts"] == report["rows"] == 30
    assert report["tokens"] == sum(streams.tokens) == sum(report["tokens_of_workers"])


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ({"text": "plain text"}, ["plain text"]),
        ({"value": "of load text", "file": "x"}, ["of load text"]),
        ({"conversation": [{"human": "who?", "assistant": "me"}]}, ["who?", "me"]),
        ({"instruction": "say", "input": "what", "output": "this"}, ["say", "what", "this"]),
        (
            {"instruction": "b?", "output": "b", "history": [["a?", "a!"]]},
            ["a?", "a!", "b?", "b"],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "an"},
                ]
            },
            ["q", "an"],
        ),
        (
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "an"}]},
            ["an"],
        ),
        ({"prompt": "two and", "completion": "two"}, ["two and\ntwo"]),
    ],
)
def test_texts_and_conversations(
    tmp_path: Path,
    tokenizer: Tokenizer,
    tokenise: Callable[..., tuple[Streams, list[str]]],
    row: dict[str, Any],
    parts: list[str],
) -> None:
    streams, _ = tokenise(write(tmp_path / "rows.jsonl", [row]))
    tokens = streams.open(0).tolist()
    assert tokens[-1] == tokenizer.end
    assert tokens[-2] != tokenizer.end  # a chat template's own end isn't doubled
    text = tokenizer.library.decode(tokens)
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    if "text" in row:
        assert texts_of(streams, 0, tokenizer) == parts


def test_bad_rows_have_numbers(
    tmp_path: Path, tokenise: Callable[..., tuple[Streams, list[str]]]
) -> None:
    rows = [{"text": "good"}, {"text": {"a": 1}}, {"text": "good too"}, {"text": ""}]
    data = write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(InvalidRequestError, match="2 of 4 rows are bad: row 2 .*; row 4 .*skip"):
        tokenise(data)
    with pytest.raises(InvalidRequestError, match="max_bad_ratio"):
        tokenise(data, bad=BadRows(True, 0.4))
    streams, warnings = tokenise(data, bad=BadRows(True, 0.5))
    assert streams.texts == 2
    assert "2 of 4 rows were left out" in warnings[0]
    report = json.loads((tmp_path / "job" / "data_report.json").read_text())
    assert [problem["row"] for problem in report["problems"]] == [2, 4]


def test_a_sentencepiece_file_alone(tmp_path: Path) -> None:
    import sentencepiece
    from transformers import AutoTokenizer

    corpus = ["Byzer Lab answers questions about models and tables."] * 40
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_prefix=str(tmp_path / "tokenizer"),
        vocab_size=60,
        model_type="bpe",
        normalization_rule_name="identity",
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    for path in (tmp_path / "tokenizer.model", tmp_path):
        tokenizer = read_tokenizer(str(path))
        assert tokenizer.encode(["answers about tables"]) == [pieces.encode("answers about tables")]
        assert (tokenizer.end, tokenizer.size) == (pieces.eos_id(), pieces.vocab_size())
    (tmp_path / "model").mkdir()
    tokenizer.save(tmp_path / "model")
    assert (tmp_path / "model" / "tokenizer.model").is_file()
    saved = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert saved.encode("answers about", add_special_tokens=False) == pieces.encode("answers about")
    with pytest.raises(InvalidRequestError, match="can't be loaded"):
        read_tokenizer(str(tmp_path / "nowhere"))
