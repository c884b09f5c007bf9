import random
import re

import pytest
from byzer_lab_magics.harmless import harmless
from byzer_lab_magics.stream import markdown

OURS = re.compile(r'<pre><code class="language-[\w+#-]*">|</code></pre>|</?code>')
TAG = re.compile(r"<[A-Za-z/!?]")


def test_ordinary_markdown_is_untouched() -> None:
    text = (
        "# T\n\n- a < b, c & d, &amp; &lt;\n\n```python\nif a < b:\n    print('&')\n```\n\n"
        "[x](https://a.b) `a < b` <3\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert harmless(text) == text
    assert markdown(text) == {"text/markdown": text, "text/plain": text}


def test_tags_are_shown_and_not_made() -> None:
    assert harmless("Hi <script>alert(1)</script>") == "Hi &lt;script>alert(1)&lt;/script>"
    assert harmless("<!-- a --> <?php") == "&lt;!-- a --> &lt;?php"
    assert harmless("Use `<div>` here") == "Use <code>&#60;div&#62;</code> here"
    assert harmless("```html\n<div>\n  [a](b)\n```\n") == (
        '<pre><code class="language-html">&#60;div&#62;\n  &#91;a&#93;(b)\n</code></pre>\n'
    )
    assert harmless("1. x\n   ```html\n   <i>\n   ```\n2. y\n") == (
        '1. x\n   <pre><code class="language-html">&#60;i&#62;\n   </code></pre>\n2. y\n'
    )


def test_links_run_nothing() -> None:
    for link in ["javascript:alert(1)", "JavaScript:alert(1)", "vbscript:x", "javascript\\:x"]:
        assert "\u2060" in harmless(f"[x]({link})")
    assert harmless("[x](java&#115;cript:x)") == "[x](java&amp;#115;cript:x)"
    assert harmless("[x](javascript&colon;x)") == "[x](javascript&amp;colon;x)"


@pytest.mark.parametrize(
    "attack",
    [
        '[foo]: /url "\n```\n"\n<img src=x onerror=alert(1)>\n```\n',
        "$\n```$\n<img src=x onerror=alert(1)>\n```\n",
        "| `a | <img src=x onerror=alert(1)> ` |\n|---|---|\n",
        "```<img src=x onerror=alert(1)>\n```\n",
        "- a\n\n      ```\n<svg onload=alert(1)>\n",
        "\\` <img src=x onerror=alert(1)> `",
    ],
)
def test_no_reading_of_the_fences_lets_a_tag_through(attack: str) -> None:
    assert not TAG.search(OURS.sub("", harmless(attack)))


@pytest.mark.parametrize("seed", range(60))
def test_no_tag_survives_whatever_surrounds_it(seed: int) -> None:
    chance = random.Random(seed)
    pieces = ["```", "~~~", "`", "``", "\n", "\n\n", "<img src=x>", "</p>", "<!--", "[a](b)", "$",
              "   ", "- ", "> ", "|", "\\", "&#60;", "&lt;", "text ", '"',
              "javascript:"]  # fmt: skip
    safe = harmless("".join(chance.choices(pieces, k=80)))
    assert not TAG.search(OURS.sub("", safe))
    assert not re.search(r"javascript\\?:", safe, re.IGNORECASE)


def test_it_is_quick_on_a_long_answer() -> None:
    import time

    text = "`a ``b <i> ```c " * 2000
    started = time.perf_counter()
    harmless(text)
    assert time.perf_counter() - started < 2
