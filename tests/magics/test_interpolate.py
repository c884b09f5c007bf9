import pytest
from byzer_lab_magics.interpolate import interpolate
from IPython.core.error import UsageError

NAMES = {"name": "Ada", "numbers": [1, 2], "_hidden": 1, "markup": "<b> {{ name }}"}


def test_templates() -> None:
    assert (
        interpolate("Hi {{ name }}, {x} $name {{ numbers | sum }}", NAMES) == "Hi Ada, {x} $name 3"
    )
    assert interpolate("{% for n in numbers %}{{ n }};{% endfor %}\n", NAMES) == "1;2;\n"
    assert interpolate("{{ markup }}", NAMES) == "<b> {{ name }}"
    assert interpolate('def f(): return {"a": {}}', NAMES) == 'def f(): return {"a": {}}'
    assert interpolate("{% if gone is defined %}a{% else %}b{% endif %}", NAMES) == "b"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ nmae }}", "'nmae' is not defined in this notebook (--raw switches templates off); did"
         " you mean name?"),
        ("{{ zzz | upper }}",
         "'zzz' is not defined in this notebook (--raw switches templates off)."),
        ("{{ name.first }}", "The prompt's template failed: 'str object' has no attribute 'first'"
         " (--raw switches templates off)."),
        ("a\n{{ name", "Line 2 of the prompt is not a valid template: unexpected end of template,"
         " expected 'end of print statement' (--raw switches templates off)."),
        ("{{ 1 / 0 }}", "The prompt's template failed: ZeroDivisionError: division by zero (--raw"
         " switches templates off)."),
    ],
)  # fmt: skip
def test_a_wrong_template_gets_one_sentence(template: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        interpolate(template, NAMES)
    assert str(caught.value) == sentence
