"""Pictures of a question, with the boxes of its answer drawn over them."""

from __future__ import annotations

import io
from typing import Any

from byzer_lab.client.boxes import Scale, draw_boxes, find_boxes
from byzer_lab.client.media import medium
from byzer_lab.errors import InvalidRequestError
from byzer_lab.records import StateSnapshot
from byzer_lab_magics.media import shown
from byzer_lab_magics.reply import Reply

LONGEST_SIDE = 1024
"""Pixels; a larger picture is shown smaller."""


def show_boxes(shell: Any, reply: Reply, snapshot: StateSnapshot) -> None:
    """Show the last picture of a conversation with the boxes of the answer, where it has some.

    Args:
        shell: IPython's shell.
        reply: The answer.
        snapshot: Has what the model's engine says of its boxes.
    """
    urls = [image.url for message in reply.messages for image in message.images]
    if not urls:
        return
    try:
        scale = _scale(reply.model, snapshot)
        if not find_boxes(reply.text, (1000, 1000), scale):
            return
        picture = draw_boxes(urls[-1], reply.text, scale)
    except InvalidRequestError as error:  # the answer itself is there
        print(f"[no boxes are drawn: {error.message}]")
        return
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    shown(shell, medium(buffer.getvalue(), "image/png"))


def _scale(model: str, snapshot: StateSnapshot) -> Scale:
    metas = {record.spec.name: record.meta for record in snapshot.deployments}
    return "pixels" if metas.get(model, {}).get("box_scale") == "pixels" else "thousandths"
