"""The values that magics return, and how they print."""

import copy
import pickle

import pytest
from byzer_lab_magics.looking import COLUMNS
from byzer_lab_magics.media import Media
from byzer_lab_magics.reply import Reply
from byzer_lab_magics.show import bar
from byzer_lab_magics.table import Facts, Table

from byzer_lab.client.media import medium
from byzer_lab.types import Chunk, Message, TokenLogprob, Usage


def test_a_reply_is_a_text() -> None:
    usage = Usage(input_tokens=2, output_tokens=3)
    asked = [Message(role="user", content="?")]
    logprobs = [TokenLogprob(token=1, text="Hello", logprob=-0.5)]
    reply = Reply("Hello", model="chat", usage=usage, messages=asked, logprobs=logprobs)
    assert reply == "Hello"
    assert type(reply.text) is str
    assert f"{reply}!" == "Hello!"
    assert reply.usage.output_tokens == 3
    for twin in (copy.deepcopy(reply), pickle.loads(pickle.dumps(reply))):
        assert twin.logprobs == logprobs
        assert (twin, twin.model, twin.usage, twin.messages) == ("Hello", "chat", usage, asked)


def test_sounds_and_pictures_of_a_reply(capsys: pytest.CaptureFixture[str]) -> None:
    media = Media()
    for piece in (b"ab", b"c"):
        media.take(Chunk(data=piece, media_type="audio/mpeg"))
    media.take(Chunk(finish_reason="stop"))
    assert media.files == [b"abc"]
    media.show(shell=None)
    assert capsys.readouterr().out == "[audio/mpeg, 3 bytes; --as NAME keeps them in NAME.data]\n"
    shown = medium(b"abc", 'audio/"><script>')._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert medium(b"abc", "image/png")._repr_mimebundle_() == {
        "image/png": "YWJj",
        "text/plain": "image/png, 3 bytes",
    }
    reply = Reply("", files=media.files, media_type=media.media_type)
    assert (reply.data, reply.media_type, Reply("x").data) == (b"abc", "audio/mpeg", b"")


def test_a_table_prints_aligned_and_escapes_its_html() -> None:
    row = ["<b>", "ready", "transformers", "m", "1/1", 0, 0, 1.5]
    table = Table(COLUMNS, [row], "nothing")
    assert repr(table).splitlines()[0].split() == [
        "name", "state", "backend", "model", "workers", "in", "flight", "queued", "tokens/s",
    ]  # fmt: skip
    assert "&lt;b&gt;" in table._repr_html_()
    assert "<b>" not in table._repr_html_()
    assert [row["name"] for row in table] == ["<b>"]
    assert repr(Table(COLUMNS, [], "nothing")) == "nothing"


def test_facts_are_a_dict() -> None:
    facts = Facts({"a": 1, "long name": ["<i>"]})
    assert facts == {"a": 1, "long name": ["<i>"]}
    assert "<i>" not in facts._repr_html_()


def test_bar() -> None:
    assert bar(0.35) == "███████░░░░░░░░░░░░░  35 %"
    assert bar(2).endswith("100 %")
