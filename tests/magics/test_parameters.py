import pytest
from byzer_lab_magics.parameters import body_candidates, parse_parameters, split_generation
from IPython.core.error import UsageError

from byzer_lab.schema import ParameterInfo


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


def test_generation_parameters_stand_beside_the_engines() -> None:
    infer_params, generation = split_generation(
        parse_parameters(
            "n_ctx = 512\ngeneration.temperature = 0.2\ngen.stop = ['a']\ngenerate = 1"
        )
    )
    assert infer_params == {"n_ctx": 512, "generate": 1}
    assert generation == {"generation.temperature": 0.2, "gen.stop": ["a"]}


PARAMETERS = [
    ParameterInfo("dtype", str, "auto", "Number format.", choices=("auto", "float32")),
    ParameterInfo("use_mmap", bool, True, "Map the file.", aliases=("backend.use_mmap",)),
    ParameterInfo("n_ctx", int, 0, "Context window."),
]


@pytest.mark.parametrize(
    ("line", "others", "offered", "fragment"),
    [
        ("d", [], ["dtype"], "d"),
        ("", ["dtype = auto", "# use_mmap = no"], ["use_mmap", "n_ctx"], ""),
        ("generation.top", [], ["generation.top_p", "generation.top_k"], "generation.top"),
        ("backend.", [], ["backend.use_mmap"], "backend."),
        ("dtype = f", [], ["float32"], "f"),
        ("use_mmap=", [], ["true", "false"], ""),
        ("backend.use_mmap = t", [], ["true"], "t"),
        ("n_ctx = ", [], [], ""),
        ("nosuch = ", [], [], ""),
    ],
)  # fmt: skip
def test_what_a_line_of_the_body_may_go_on_with(
    line: str, others: list[str], offered: list[str], fragment: str
) -> None:
    candidates, typed = body_candidates(PARAMETERS, line, others)
    fitting = [text for text in candidates if text.startswith(typed)]
    assert [text for text in fitting if not text.startswith("gen") or fragment] == offered
    assert typed == fragment
