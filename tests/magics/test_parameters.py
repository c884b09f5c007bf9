import pytest
from byzer_lab_magics.parameters import parse_parameters
from IPython.core.error import UsageError


def test_values() -> None:
    assert parse_parameters(
        """
        # a comment
        max_model_len = 512   # tokens
        share = 0.5
        enforce_eager = true
        quatization = False
        nothing = null
        backend.dtype = bfloat16 # a comment, too
        quoted = "a # b"
        single = 'it is'
        stop = ["a", "b"]
        python = ['a', True]
        options = {"a": {"b": 1}}
        template = {{ message }} [INST]
        path = /models/a=b
        channel = #5
        saas.api_key = ${MY_KEY}
        not_a_number = NaN
        """.replace("channel = #5\n", 'channel = "#5"\n')
    ) == {
        "max_model_len": 512,
        "share": 0.5,
        "enforce_eager": True,
        "quatization": False,
        "nothing": None,
        "backend.dtype": "bfloat16",
        "quoted": "a # b",
        "single": "it is",
        "stop": ["a", "b"],
        "python": ["a", True],
        "options": {"a": {"b": 1}},
        "template": "{{ message }} [INST]",
        "path": "/models/a=b",
        "channel": "#5",
        "saas.api_key": "${MY_KEY}",
        "not_a_number": "NaN",
    }
    assert parse_parameters("") == parse_parameters("\n  \n# only this") == {}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("a = 1\nb 2", "Line 2 of the body is not 'key = value': 'b' has no value."),
        ("a b = 2", "Line 1 of the body is not 'key = value': 'a' is not a name."),
        ("= 2", "Line 1 of the body is not 'key = value': '=' is not a name."),
        ("a = 1\n\na = 2", "Line 3 of the body sets 'a' again; line 1 did already."),
        ("a =", "Line 1 of the body: the value of 'a' is empty; write \"\" for an empty text."),
        ('a = "open', "Line 1 of the body: the value of 'a' has a quotation mark that is not"
         " closed."),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_by_its_number(body: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_parameters(body)
    assert str(caught.value) == sentence


def test_the_sentence_never_has_the_value() -> None:
    for body in ["api_key sk-secret", 'api_key = "sk-secret', "api key = sk-secret"]:
        with pytest.raises(UsageError) as caught:
            parse_parameters(body)
        assert "sk-secret" not in str(caught.value)
