"""Pictures that a call brings, and boxes in answers; nothing is deployed."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.client.boxes import Box, draw_boxes, find_boxes
from byzer_lab.client.pictures import (
    asks_with_picture,
    name_of,
    picture_of,
    read_here,
    take_pictures,
    with_history,
    with_pictures,
)
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import ImagePart, ImageUrl, Message, TextPart
from tests.support.file_server import served


def file_of(colour: str, size: tuple[int, int] = (8, 8)) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "png")
    return buffer.getvalue()


RED, BLUE = file_of("red"), file_of("blue")
RED64 = base64.b64encode(RED).decode()
RED_URI, BLUE_URI = (f"data:image/png;base64,{base64.b64encode(d).decode()}" for d in (RED, BLUE))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "red.png").write_bytes(RED)
    with served(folder) as address:
        yield address


def test_a_picture_comes_in_many_forms(tmp_path: Path, server: str) -> None:
    from PIL import Image

    path = tmp_path / "red.png"
    path.write_bytes(RED)
    for given in (RED64, RED_URI, RED, bytearray(RED), path, str(path), f"{server}/red.png"):
        assert picture_of(given) == RED_URI
    drawn = picture_of(Image.new("RGB", (3, 3), "red"))
    assert drawn.startswith("data:image/png;base64,")


@pytest.mark.parametrize("given", [17, None, object(), "no picture", Path("/no/such/file")])
def test_what_is_no_picture(given: Any) -> None:
    with pytest.raises(InvalidRequestError):
        picture_of(given)


def test_an_address_without_a_picture(server: str) -> None:
    with pytest.raises(InvalidRequestError, match="can't be had: Client error '404"):
        picture_of(f"{server}/blue.png")


def test_a_picture_goes_with_the_last_turn() -> None:
    pictures, history, rest = take_pictures({"gen.image": RED64, "temperature": 0.5})
    assert (pictures, history, rest) == ([RED_URI], [], {"temperature": 0.5})
    turns = [Message("system", "s"), Message("user", "what is it")]
    assert with_pictures(turns, pictures) == [
        turns[0],
        Message("user", [ImagePart(ImageUrl(RED_URI)), TextPart("what is it")]),
    ]


def test_the_second_round_finds_its_picture() -> None:
    first = with_pictures([Message("user", "what is it")], [RED_URI])
    told = json.loads(with_history(first, "red"))
    assert told == {
        "response": "red",
        "history": [
            {
                "role": "user",
                "content": f"Picture 1: <img>{name_of(RED_URI)}</img>\nwhat is it",
            },
            {"role": "assistant", "content": "red"},
        ],
    }
    turns = [*(Message(**turn) for turn in told["history"]), Message("user", "where")]
    again = with_pictures(turns, [RED_URI])
    assert again == [first[0], Message("assistant", "red"), Message("user", "where")]
    # A new picture beside it belongs to the new question, in whatever order they come.
    for both in ([RED_URI, BLUE_URI], [BLUE_URI, RED_URI]):
        more = with_pictures(turns, both)
        assert [[image.url for image in turn.images] for turn in more] == [
            [RED_URI],
            [],
            [BLUE_URI],
        ]
        assert more[0].text == "what is it"
    numbered = json.loads(with_history(more, "here"))["history"]
    assert [turn["content"].split(":")[0] for turn in numbered[::2]] == ["Picture 1", "Picture 2"]


def test_a_picture_of_the_history_is_missing() -> None:
    turns = [Message("user", f"Picture 1: <img>{name_of(RED_URI)}</img>\nwhat is it")]
    for given in ([], [BLUE_URI]):
        with pytest.raises(InvalidRequestError, match="pass it again as image"):
            with_pictures(turns, given)


def test_names_of_another_server_stand_for_pictures_in_their_order() -> None:
    text = "Picture 1: <img>/tmp/byzerllm/visualglm/images/23eb4cea.jpg</img>\nwhat is it"
    (turn,) = with_pictures([Message("user", text)], [RED_URI])
    assert turn.content == [ImagePart(ImageUrl(RED_URI)), TextPart("what is it")]


def test_names_of_paths_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    with pytest.raises(InvalidRequestError, match="pass it again as image"):
        with_pictures([Message("user", f"Picture 1: <img>{path}</img>\nwhat is it")], [])


def test_history_may_be_given_as_byzer_llm_does() -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    for given in (turns, json.dumps(turns)):
        config = {"image": RED, "gen.history": given, "gen.temp_image_dir": "/tmp/x"}
        assert take_pictures(config) == ([RED_URI], turns, {})
    with pytest.raises(InvalidRequestError, match="history must be a list"):
        take_pictures({"history": "nonsense"})


def test_whether_a_call_asks_with_a_picture() -> None:
    assert asks_with_picture({"generation.image": RED})
    assert not asks_with_picture({"image": None, "temperature": 1})


def test_paths_of_a_conversation_are_read_here(tmp_path: Path, server: str) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    address = f"{server}/red.png"
    turn = Message("user", [ImagePart(ImageUrl(str(path))), ImagePart(ImageUrl(address, "low"))])
    assert [image.url for image in read_here(turn, fetches=False).images] == [RED_URI, address]
    assert read_here(turn, fetches=True).images == [ImageUrl(RED_URI), ImageUrl(RED_URI, "low")]


@pytest.mark.parametrize(
    ("answer", "boxes"),
    [
        (
            "<ref>狗</ref><box>(221,425),(511,889)</box>",
            [Box("狗", 0.221, 0.425, 0.511, 0.889)],
        ),
        (
            "a <ref> cat </ref><box> (0, 0) , (500,1000)</box> and <box>(9,8),(1,2)</box>",
            [Box("cat", 0, 0, 0.5, 1), Box("", 0.001, 0.002, 0.009, 0.008)],
        ),
        (
            '{"response": "<ref>a</ref><box>(0,0),(1000,1000)</box>", "history": []}',
            [Box("a", 0, 0, 1, 1)],
        ),
        (
            'Here:\n```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "cup"}]\n```',
            [Box("cup", 0.1, 0.2, 0.3, 0.4)],
        ),
        ('{"bbox_2d": [0, 0, 2000, 500], "label": "wide"}', [Box("wide", 0, 0, 1, 1)]),
        ('[{"bbox_2d": [1, 2, 3]}, {"bbox_2d": "x"}, 7, {"bbox": [true, 1, 2, 3]}]', []),
        ("<box>(1,2),(3)</box> no box", []),
        ("plain text", []),
        ("", []),
    ],
)
def test_boxes_of_an_answer(answer: str, boxes: list[Box]) -> None:
    assert find_boxes(answer, (2000, 500)) == boxes


def test_boxes_in_pixels() -> None:
    answer = '[{"bbox_2d": [100, 50, 200, 100], "label": "cup"}]'
    assert find_boxes(answer, (200, 100), "pixels") == [Box("cup", 0.5, 0.5, 1, 1)]
    with pytest.raises(InvalidRequestError, match="pass the picture's size"):
        find_boxes(answer, scale="pixels")
    assert Box("", 0.25, 0, 0.5, 1).pixels(200, 100) == (50, 0, 100, 100)


def test_boxes_are_drawn_where_they_are() -> None:
    picture = file_of("white", (200, 100))
    found = draw_boxes(picture, "<ref>dog</ref><box>(250,200),(750,800)</box>")
    assert found.size == (200, 100)
    for inside in ((50, 50), (149, 50), (100, 20), (100, 79)):  # on the edges
        assert found.getpixel(inside) != (255, 255, 255)
    for outside in ((40, 50), (160, 50), (100, 90), (120, 60)):
        assert found.getpixel(outside) == (255, 255, 255)


def test_boxes_over_what_is_no_picture() -> None:
    with pytest.raises(InvalidRequestError, match="The picture can't be read"):
        draw_boxes(b"\x89PNG nothing", "<box>(1,2),(3,4)</box>")
