"""Questions that begin alike: how much of them a model that keeps prefixes has read before."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence

import pytest

from byzer_lab.sql.models.ordering import Keyed, ordered
from byzer_lab.sql.models.questions import Question
from byzer_lab.types import Message
from tests.sql.conftest import Lab

BLOCK = 64


def questions(groups: int, each: int) -> list[Keyed]:
    """So many texts with so many questions each, mixed."""
    numbers = random.Random(7)
    texts = [f"{group:04} {numbers.randbytes(600).hex()}" for group in range(groups)]
    made = [
        Question("chat", messages=[Message("user", f"{text} question {number}?")])
        for text in texts
        for number in range(each)
    ]
    numbers.shuffle(made)
    return [(one.key("r"), one) for one in made]


def read_before(asked: Sequence[Keyed], blocks: int, lag: int) -> float:
    """The share of all blocks that were kept already.

    Args:
        asked: The questions in their order.
        blocks: How many are kept: those used last.
        lag: Questions until the blocks of one can be used.
    """
    kept: OrderedDict[str, None] = OrderedDict()
    coming: list[list[str]] = []
    hits = total = 0
    for _, question in asked:
        text = question.messages[0].text
        mine = [text[: end + BLOCK] for end in range(0, len(text) - BLOCK, BLOCK)]
        total += len(mine)
        for block in mine:
            if block not in kept:
                break
            kept.move_to_end(block)
            hits += 1
        coming.append(mine)
        if len(coming) > lag:
            for block in coming.pop(0):
                kept[block] = None
                kept.move_to_end(block)
            while len(kept) > blocks:
                kept.popitem(last=False)
    return hits / total


@pytest.mark.parametrize("lag", [1, 8, 32])
@pytest.mark.parametrize("blocks", [1500, 6000, 100_000])
def test_more_has_been_read_before(blocks: int, lag: int) -> None:
    asked = questions(groups=200, each=12)
    turns = ordered(asked, lag)
    alike = sorted(asked, key=lambda keyed: keyed[1].messages[0].text)
    mixed, best, one_by_one = (read_before(order, blocks, lag) for order in (asked, turns, alike))
    assert sorted(key for key, _ in turns) == sorted(key for key, _ in asked)
    assert best > 0.8
    assert best >= mixed - 0.01
    assert best >= one_by_one - 0.01
    if blocks == 1500:
        assert best > 2 * mixed


def test_order_stays_where_nothing_is_alike() -> None:
    different = questions(groups=50, each=1)
    assert ordered(different, 4) == different
    one = questions(groups=1, each=50)
    assert ordered(one, 4) == one
    assert ordered([], 4) == []


def test_a_query_asks_by_turns(lab: Lab) -> None:
    first, second = "a" * 600, "b" * 600
    lab.names["t"] = [{"i": i, "text": first if i < 3 else second} for i in range(6)]
    query = "select llm_result(m(concat(text, i))) as a from t order by i as made;"
    rows = lab.run(query)
    assert [row["a"][0] for row in rows] == list("AAABBB")
    asked = [question.messages[0].text for question in lab.models.questions]
    assert [text[0] for text in asked] == list("ababab")
    lab.models.questions.clear()
    lab.run(query, fresh=True, max_tokens=1000)  # the first rows first: the last may be left
    assert [question.messages[0].text[0] for question in lab.models.questions] == list("aaabbb")
