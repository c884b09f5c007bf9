"""Detokenising and stop strings, on random texts cut in random places. No model."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from byzer_lab.engines.text import REPLACEMENT, AnswerText, IncrementalDecoder, StopStrings

ALPHABET = "ab Жж你好🙂🎉\n"


def many_times(count: int) -> Callable[[Callable[[random.Random], None]], Callable[[], None]]:
    """Run a test with so many sources of chance, each of them repeatable."""

    def decorate(test: Callable[[random.Random], None]) -> Callable[[], None]:
        def run() -> None:
            for seed in range(count):
                try:
                    test(random.Random(seed))
                except AssertionError as error:
                    raise AssertionError(f"with seed {seed}: {error}") from error

        return run

    return decorate


def byte_decode(tokens: list[int]) -> str:
    """The worst tokenizer: every byte is a token."""
    return bytes(tokens).decode("utf-8", errors="replace")


def byte_fallback_decode(tokens: list[int]) -> str:
    """Another manner: a run of bytes that is not all valid becomes one U+FFFD per byte."""
    try:
        return bytes(tokens).decode("utf-8")
    except UnicodeDecodeError:
        return REPLACEMENT * len(tokens)


def pieces(items: list[int], source: random.Random) -> Iterable[list[int]]:
    while items:
        size = source.randint(1, 4)
        yield items[:size]
        items = items[size:]


def random_text(source: random.Random, length: int) -> str:
    return "".join(source.choice(ALPHABET) for _ in range(source.randint(0, length)))


@many_times(300)
def test_decoder_gives_every_character_whole_and_once(source: random.Random) -> None:
    text = random_text(source, 40)
    decoder = IncrementalDecoder(byte_decode)
    shown = [decoder.feed(part) for part in pieces(list(text.encode()), source)]
    assert "".join(shown) == text
    assert not any(REPLACEMENT in part for part in shown)


@many_times(100)
def test_decoder_gives_garbage_bytes_as_a_whole_decode_would(source: random.Random) -> None:
    tokens = [source.randrange(256) for _ in range(source.randint(0, 60))]
    decoder = IncrementalDecoder(byte_decode)
    shown = "".join(decoder.feed(part) for part in pieces(list(tokens), source))
    whole = byte_decode(tokens)
    assert whole.startswith(shown)
    assert len(whole) - len(shown) <= 3
    assert set(whole[len(shown) :]) <= {REPLACEMENT}


@many_times(50)
def test_decoder_waits_where_unfinished_bytes_spoil_the_run(source: random.Random) -> None:
    text = "".join(source.choice("你好🙂Ж") for _ in range(3))
    decoder = IncrementalDecoder(byte_fallback_decode)
    assert "".join(decoder.feed([token]) for token in text.encode()) == text


def test_decoder_keeps_spaces_that_a_lone_token_would_lose() -> None:
    words = ["▁Hello", "▁world", "s", "▁again"]

    def decode(tokens: list[int]) -> str:
        return "".join(words[token] for token in tokens).replace("▁", " ").removeprefix(" ")

    decoder = IncrementalDecoder(decode)
    assert [decoder.feed([token]) for token in range(4)] == ["Hello", " world", "s", " again"]


def test_decoder_emits_a_replacement_character_that_the_model_wrote() -> None:
    decoder = IncrementalDecoder(byte_decode)
    shown = "".join(decoder.feed([token]) for token in f"a{REPLACEMENT}b".encode())
    assert shown == f"a{REPLACEMENT}b"


def first_stop(text: str, stops: list[str]) -> int | None:
    """By the definition: the stop that is complete first, of two that end together the longer."""
    for end in range(1, len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return min(starts)
    return None


@many_times(500)
def test_stop_strings_do_not_depend_on_the_pieces(source: random.Random) -> None:
    text = "".join(source.choice("ab ") for _ in range(source.randint(0, 30)))
    stops = [
        "".join(source.choice("ab ") for _ in range(source.randint(1, 4)))
        for _ in range(source.randint(0, 3))
    ]
    cut = StopStrings(stops)
    shown, rest = "", text
    while rest and cut.found is None:
        size = source.randint(1, 5)
        shown += cut.feed(rest[:size])
        rest = rest[size:]
    if cut.found is None:
        shown += cut.flush()
    end = first_stop(text, stops)
    assert shown == (text if end is None else text[:end])
    assert (cut.found is None) == (end is None)


@many_times(200)
def test_stop_strings_hold_back_no_more_than_may_begin_one(source: random.Random) -> None:
    stop = "".join(source.choice("ab") for _ in range(source.randint(1, 5)))
    cut = StopStrings([stop])
    seen = shown = ""
    for _ in range(20):
        character = source.choice("abc")
        seen += character
        shown += cut.feed(character)
        if cut.found is not None:
            break
        assert stop.startswith(seen[len(shown) :])


def test_answer_text_cuts_between_tokens_and_inside_characters() -> None:
    answer = AnswerText(byte_decode, ["好🙂"])
    shown = ""
    for token in "你好 好🙂 more".encode():
        shown += answer.feed([token])
        if answer.stopped:
            break
    assert shown == "你好 "
    assert answer.stopped


def test_answer_text_leaves_out_a_character_that_was_never_finished() -> None:
    answer = AnswerText(byte_decode, ["END"])
    shown = "".join(answer.feed([token]) for token in [*b"ok EN", *"🙂".encode()[:3]])
    assert shown + answer.flush(cut_short=True) == "ok EN"


def test_answer_text_keeps_what_a_model_wrote_before_it_ended_by_itself() -> None:
    answer = AnswerText(byte_decode, ["END"])
    shown = "".join(answer.feed([token]) for token in f"ok E{REPLACEMENT}".encode())
    assert shown + answer.flush(cut_short=False) == f"ok E{REPLACEMENT}"
