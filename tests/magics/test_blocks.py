import random

import pytest
from byzer_lab_magics.blocks import BlockSplitter

DOCUMENT = """\
# Title
Some text
over two lines.

- one

- two
  continued

  ```python
  x = 1

  y = 2
  ```
- three

1. first
2. second

After the list.

```python
def f():

    # not a heading
    return 1
```
Right below.

| a | b |
|---|---|
| 1 | 2 |

$$
x

y
$$

> quote

    indented

    code

Last ~~~ words
~~~
open
"""


def split(text: str, cuts: list[int]) -> tuple[list[str], str]:
    splitter = BlockSplitter()
    blocks: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        splitter.feed(text[start:end])
        done = splitter.finished()
        if done:
            blocks.append(done)
    return blocks, splitter.tail


def line_by_line(text: str) -> tuple[list[str], str]:
    return split(text, [i + 1 for i, char in enumerate(text) if char == "\n"])


def test_where_a_document_is_cut() -> None:
    blocks, tail = line_by_line(DOCUMENT)
    assert [block.strip("\n").split("\n")[0] for block in blocks] == [
        "# Title",
        "Some text",
        "- one",
        "After the list.",
        "```python",
        "Right below.",
        "| a | b |",
        "$$",
        "> quote",
        "Last ~~~ words",
    ]
    assert tail == "~~~\nopen\n"


@pytest.mark.parametrize("seed", range(60))
def test_the_parts_are_the_text(seed: int) -> None:
    chance = random.Random(seed)
    pieces = ["\n", "\n\n", "```", "~~~~", "- ", "1. ", "  ", "# h", "|a|b|", "$$", "\\[", "\\]",
              "word ", "> ", "\t", "`x`", "é", "\r\n", "```py\n", "    code"]  # fmt: skip
    text = "".join(chance.choices(pieces, k=120))
    whole_blocks, whole_tail = line_by_line(text)
    assert "".join(whole_blocks) + whole_tail == text
    cuts = sorted(chance.sample(range(len(text)), k=20))
    blocks, tail = split(text, cuts)
    assert "".join(blocks) + tail == text
    assert tail == whole_tail  # where it is cut does not depend on how it comes


def test_the_parts_render_like_the_whole() -> None:
    mistune = pytest.importorskip("mistune")
    render = mistune.create_markdown(plugins=["table"])
    blocks, tail = line_by_line(DOCUMENT)
    assert "".join(render(part) for part in [*blocks, tail]) == render(DOCUMENT)


def test_a_long_answer_has_a_short_tail() -> None:
    splitter = BlockSplitter()
    longest = 0
    for number in range(300):
        splitter.feed(f"Paragraph {number} with some words in it.\n\n")
        splitter.finished()
        longest = max(longest, len(splitter.tail))
    assert longest < 100
