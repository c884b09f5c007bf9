import pytest
from byzer_lab_magics.arguments import HelpWanted
from byzer_lab_magics.deploying import DEPLOY, SCALE
from byzer_lab_magics.looking import LOGS
from byzer_lab_magics.prompting import PROMPT, SAMPLING
from IPython.core.error import UsageError

from byzer_lab.generation import GENERATION


def test_spellings_of_an_option() -> None:
    for line in [
        "chat --model_path /m --worker_concurrency 4 --no_wait",
        "--model-path=/m chat --worker-concurrency=4 --no-wait",
        "--model_path '/m' --worker-concurrency \"4\" --no-wait -- chat",
    ]:
        options = DEPLOY.parse(line)
        assert options["name"] == "chat"
        assert options["model_path"] == "/m"
        assert options["worker_concurrency"] == 4
        assert options["no_wait"] is True
        assert options["replace"] is False


def test_defaults_are_those_of_the_spec() -> None:
    options = DEPLOY.parse("chat --model_path bundled")
    assert options["pretrained_model_type"] == "custom/auto"
    assert options["backend"] == "transformers"
    assert (options["workers"], options["queue_limit"]) == (1, 256)
    assert options["load_timeout_s"] == 1800


def test_values() -> None:
    options = PROMPT.parse(
        r"""--system "It's \"fine\"" --stop a --stop 'b c' --temperature 0.5 --top_k -1 chat"""
    )
    assert options["system"] == 'It\'s "fine"'
    assert options["stop"] == ["a", "b c"]
    assert (options["temperature"], options["top_k"]) == (0.5, -1)
    assert options["model"] == "chat"
    assert PROMPT.parse("--model chat")["model"] == "chat"
    assert PROMPT.parse("--system='a = b'")["system"] == "a = b"
    assert LOGS.parse("chat -n 7")["lines"] == 7


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("--model chat Hello there", "Hello there"),
        ("What's up, doc?", "What's up, doc?"),
        ('"Who are you?"', "Who are you?"),
        ("--seed 3 -5 + 3 = ?", "-5 + 3 = ?"),
        ("-- --model is an option", "--model is an option"),
        ("", ""),
    ],
)
def test_the_text_of_the_one_line_form_is_left_alone(line: str, rest: str) -> None:
    assert PROMPT.parse_leading(line)[1] == rest


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("chat", "%llm_deploy: --model_path is missing; write %%llm_deploy NAME --model_path PATH"
         " [options]."),
        ("--model_path m", "%llm_deploy: NAME is missing; write %%llm_deploy NAME --model_path"
         " PATH [options]."),
        ("c --model-pth m", "%llm_deploy has no option --model-pth; did you mean --model_path?"),
        ("c --zzzzzz m", "%llm_deploy has no option --zzzzzz; --help lists its options."),
        ("c --model_path m --workers two",
         "%llm_deploy: --workers wants a whole number, not 'two'."),
        ("c --model_path m --gpus_per_worker x",
         "%llm_deploy: --gpus_per_worker wants a number, not 'x'."),
        ("c --model_path --workers 1", "%llm_deploy: --model_path needs a value."),
        ("c --model_path m --replace=yes", "%llm_deploy: --replace takes no value."),
        ("c --model_path m --workers 1 --workers 2", "%llm_deploy: --workers is given twice."),
        ("c d --model_path m",
         "%llm_deploy: 'd' is one word too many; put a text with spaces into quotes."),
        ("c --model_path it's",
         "%llm_deploy: a quotation mark is not closed; put a text with an apostrophe into double"
         " quotes."),
    ],
)  # fmt: skip
def test_a_wrong_line_gets_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        DEPLOY.parse(line)
    assert str(caught.value) == sentence
    assert type(caught.value) is UsageError  # IPython prints a traceback for its subclasses


def test_a_model_named_twice() -> None:
    assert PROMPT.parse("chat --model chat")["model"] == "chat"
    with pytest.raises(UsageError, match="MODEL is given twice"):
        PROMPT.parse("chat --model other")


def test_help_wins_over_what_is_missing() -> None:
    for line in ["--help", "-h", "chat --help"]:
        with pytest.raises(HelpWanted):
            DEPLOY.parse(line)
    text = DEPLOY.help()
    assert "--worker_concurrency N" in text
    assert "(default: 1800)" in text
    assert "--model_path PATH" in text
    assert "(required, but for models of providers)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100
    assert "WORKERS" in SCALE.help()


def test_generation_parameters_are_those_of_the_table() -> None:
    assert [option.name for option in SAMPLING] == [info.name for info in GENERATION]
    options = PROMPT.parse("--max_new_tokens 5 --logprobs 2 --ignore_eos --stop_token_ids 7")
    assert (options["max_tokens"], options["logprobs"]) == (5, 2)
    assert (options["ignore_eos"], options["stop_token_ids"]) == (True, [7])
    with pytest.raises(UsageError, match="--max_tokens is given twice"):
        PROMPT.parse("--max_tokens 5 --max_length 6")


def test_an_option_may_have_few_values() -> None:
    assert DEPLOY.parse("c --model_path m --load_balance least_loaded")["load_balance"]
    with pytest.raises(UsageError) as caught:
        DEPLOY.parse("c --model_path m --load_balance random")
    assert str(caught.value) == (
        "%llm_deploy: --load_balance wants lru, round_robin, least_loaded or prefix, not 'random'."
    )


@pytest.mark.parametrize(
    ("line", "backend", "gives"),
    [
        ("chat --help", "transformers", False),
        ("chat --backend vllm --model_path", "vllm", True),
        ("--backend=llama_cpp --nosuch 'open", "llama_cpp", True),
        ("--backend ", "transformers", False),
        ("--backend --help", "transformers", False),
        ("--backend a --backend b", "b", True),
    ],
)
def test_one_option_of_a_line_that_is_not_whole(line: str, backend: str, gives: bool) -> None:
    assert DEPLOY.given(line, "backend") == backend
    assert DEPLOY.gives(line, "backend") is gives
