"""Boxes of an answer over the picture of its question."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from byzer_lab_magics import boxes
from byzer_lab_magics.reply import Reply

from byzer_lab.client.media import Medium
from byzer_lab.records import ClusterRecord, DeploymentRecord, DeploymentSpec, StateSnapshot
from byzer_lab.types import ImagePart, ImageUrl, Message, TextPart


def snapshot(**meta: Any) -> StateSnapshot:
    record = DeploymentRecord(spec=DeploymentSpec("eyes"), meta=meta)
    return StateSnapshot(
        epoch="e", rev=1, full=True, cluster=ClusterRecord(address=""), deployments=[record]
    )


def reply(text: str, size: tuple[int, int] = (200, 100)) -> Reply:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, "png")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    question = Message("user", [ImagePart(ImageUrl(url)), TextPart("where")])
    return Reply(text, model="eyes", messages=[question, Message("assistant", text)])


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    from PIL import Image

    pictures: list[Any] = []

    def keep(_shell: Any, one: Medium) -> None:
        assert one.media_type == "image/png"
        pictures.append(Image.open(io.BytesIO(one.data)))

    monkeypatch.setattr(boxes, "shown", keep)
    return pictures


@pytest.mark.parametrize(
    ("text", "meta"),
    [
        ("<ref>dog</ref><box>(250,200),(750,800)</box>", {"box_scale": "thousandths"}),
        ('[{"bbox_2d": [250, 200, 750, 800], "label": "dog"}]', {"box_scale": "thousandths"}),
        ('[{"bbox_2d": [50, 20, 150, 80], "label": "dog"}]', {"box_scale": "pixels"}),
        ("<box>(250,200),(750,800)</box>", {}),
    ],
)
def test_boxes_are_where_the_answer_says(found: list[Any], text: str, meta: dict[str, Any]) -> None:
    boxes.show_boxes(None, reply(text), snapshot(**meta))
    (picture,) = found
    assert picture.size == (200, 100)
    assert picture.getpixel((149, 79)) != (255, 255, 255)
    assert picture.getpixel((160, 90)) == (255, 255, 255)
    assert picture.getpixel((145, 50)) == (255, 255, 255)


def test_an_answer_without_boxes_shows_nothing(found: list[Any]) -> None:
    boxes.show_boxes(None, reply("a dog on a beach"), snapshot())
    boxes.show_boxes(None, Reply("<box>(1,2),(3,4)</box>", model="eyes"), snapshot())
    assert not found


def test_a_large_picture_is_shown_smaller(found: list[Any]) -> None:
    boxes.show_boxes(None, reply("<box>(1,2),(3,4)</box>", (4000, 100)), snapshot())
    assert found[0].size == (1024, 26)


def test_a_picture_that_can_not_be_read_keeps_the_answer(
    found: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = reply("<box>(1,2),(3,4)</box>")
    answer.messages[0].images[0].url = "data:image/png;base64,AAAA"
    boxes.show_boxes(None, answer, snapshot())
    assert not found
    assert "no boxes are drawn" in capsys.readouterr().out


def test_addresses_are_fetched_for_local_models_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from byzer_lab_magics.pictures import read_addresses

    from byzer_lab.client import pictures
    from byzer_lab.types import GenerateRequest

    monkeypatch.setattr(pictures, "fetched", lambda url: b"GIF8 of " + url.encode())
    address = "https://example.com/x.gif"
    for kind, expected in (
        ("saas", address),
        (
            "proprietary",
            "data:image/gif;base64,"
            + base64.b64encode(b"GIF8 of https://example.com/x.gif").decode(),
        ),
    ):
        turn = Message("user", [ImagePart(ImageUrl(address)), TextPart("what")])
        request = GenerateRequest("r", messages=[turn])
        read_addresses(request, "eyes", snapshot(model_deploy_type=kind))
        assert request.messages is not None
        assert request.messages[0].images[0].url == expected
