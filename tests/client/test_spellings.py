"""Names and spellings of Byzer-LLM, and callers who give something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from byzer_lab import ByzerLLM, LLMHistoryItem, LLMRequest, SingleOutputMeta
from byzer_lab.client.conversations import read_messages
from byzer_lab.client.types import metadata_of
from byzer_lab.config import absolute_path
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import TokenLogprob, Usage


def test_names() -> None:
    assert LLMHistoryItem(role="user", content="hi").content == "hi"
    assert LLMRequest(instruction="wow", embedding=True).embedding
    assert SingleOutputMeta().finish_reason == ""
    assert ByzerLLM.raw_chat is ByzerLLM.chat


@pytest.mark.parametrize(
    ("conversation", "sentence"),
    [(5, "a text or a list of messages, not int"), (["x"], "holds 'x'. Each message is a dict")],
)
def test_what_is_no_conversation(conversation: object, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        read_messages(conversation)  # type: ignore[arg-type]


def test_logprobs_always_have_all_keys() -> None:
    token = TokenLogprob(1, "a", -0.5, [TokenLogprob(1, "a", -0.5)])
    told = metadata_of("m", "r", "stop", Usage(), logprobs=[token, TokenLogprob(2, "b", -1.0)])
    first, second = told["logprobs"]
    assert first["top"] == [{"token": 1, "text": "a", "logprob": -0.5, "top": []}]
    assert (second["top"], told["prob"]) == ([], -1.5)


def test_a_relative_path_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute_path("model") == absolute_path("./model") == str(tmp_path / "model")
    for kept in ("", "bundled", "org/name", str(tmp_path / "model")):
        assert absolute_path(kept) == kept
