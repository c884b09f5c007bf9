"""Labels stand on the assistant's tokens alone, whatever the format and the template."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from byzer_lab.training.data.encoding import Encoded, Shape, encode, with_template
from byzer_lab.training.data.formats import convert, detect
from byzer_lab.training.data.masking import IGNORED, PLAIN_TEMPLATE
from byzer_lab.training.data.preferences import Pair, encode_pairs
from byzer_lab.training.data.rows import BadRow, Example, Row

LLAMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
"""An answer begins with a space that the prompt doesn't end with, and nothing marks its turn."""
FORGETTING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Thoughts of earlier answers are left out, as templates of thinking models do."""
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
"""The prompt begins a thought, which the rows' answers don't have."""
MARKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}<|im_end|>\n{% endgeneration %}{% else %}{{ m.content }}"
    "<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The library itself knows the assistant's tokens."""
ENDLESS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
"""Nothing says that an answer is over."""

ROWS: dict[str, dict[str, Any]] = {
    "moss": {
        "conversation": [
            {"human": "one?", "assistant": "It is 1."},
            {"human": "two?", "assistant": "It is 2."},
        ]
    },
    "alpaca": {
        "instruction": "two?",
        "input": "",
        "output": "It is 2.",
        "history": [["one?", "It is 1."]],
    },
    "messages": {
        "messages": [
            {"role": "user", "content": "one?"},
            {"role": "assistant", "content": "It is 1."},
            {"role": "user", "content": "two?"},
            {"role": "assistant", "content": "It is 2."},
            {"role": "user", "content": "nobody answers this"},
        ]
    },
    "conversations": {
        "conversations": [
            {"from": "human", "value": "one?"},
            {"from": "gpt", "value": "It is 1."},
            {"from": "human", "value": "two?"},
            {"from": "gpt", "value": "It is 2."},
        ]
    },
}
WHOLE = (
    "<|im_start|>user\none?<|im_end|>\n<|im_start|>assistant\nIt is 1.<|im_end|>\n"
    "<|im_start|>user\ntwo?<|im_end|>\n<|im_start|>assistant\nIt is 2.<|im_end|>\n"
)


def encode_row(row: dict[str, Any], tokenizer: Any, **shape: Any) -> list[Any]:
    one = Row(1, "rows.jsonl", 1, row)
    format, _ = detect([one])
    assert format is not None
    settings = Shape(**{"max_length": 1024, **shape})
    return list(encode([convert(one, format)], tokenizer, settings))


def trained(encoded: Encoded, tokenizer: Any) -> str:
    """What stands where labels are; what doesn't is a dot for each gap."""
    text, gap = "", False
    for token, label in zip(encoded.input_ids, encoded.labels, strict=True):
        assert label in (IGNORED, token)
        if label == IGNORED:
            gap = True
            continue
        text += ("·" if gap and text else "") + tokenizer.decode([token])
        gap = False
    return text


def with_chat(tokenizer: Any, template: str) -> Any:
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


@pytest.mark.parametrize("format", list(ROWS))
def test_conversations(tokenizer: Any, format: str) -> None:
    (encoded,) = encode_row(ROWS[format], tokenizer)
    assert tokenizer.decode(encoded.input_ids) == WHOLE
    assert trained(encoded, tokenizer) == "It is 1.<|im_end|>\n·It is 2.<|im_end|>\n"


def test_prompt_and_completion(tokenizer: Any) -> None:
    row = {"prompt": "one?", "completion": "It is 1."}
    (encoded,) = encode_row(row, tokenizer)
    assert trained(encoded, tokenizer) == "It is 1.<|im_end|>\n"
    assert tokenizer.decode(encoded.input_ids) == WHOLE[: WHOLE.index("<|im_start|>user\ntwo")]
    (plain,) = encode_row(row, tokenizer, plain_prompts=True)
    assert tokenizer.decode(plain.input_ids) == "one?It is 1.<|im_end|>"
    assert trained(plain, tokenizer) == "It is 1.<|im_end|>"


def test_text_is_trained_on_whole_and_nothing_is_lost(tokenizer: Any) -> None:
    text = "One two three four five six seven eight nine ten. " * 4
    (whole,) = encode_row({"text": text}, tokenizer)
    assert whole.labels == whole.input_ids
    assert tokenizer.decode(whole.input_ids) == f"{text}<|im_end|>"
    parts = encode_row({"text": text}, tokenizer, max_length=32)
    learned = [label for part in parts for label in part.labels[1:]]
    assert learned == whole.input_ids[1:]
    assert max(len(part.input_ids) for part in parts) == 32
    assert sum(part.lost for part in parts) == 0


def test_the_systems_message_and_calls_of_tools(tokenizer: Any) -> None:
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    row = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "It is 2."},
        ],
        "tools": [{"function": {"name": "add", "description": "Adds.", "parameters": {}}}],
    }
    (encoded,) = encode_row(row, tokenizer)
    assert trained(encoded, tokenizer) == (
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call><|im_end|>\n'
        "·It is 2.<|im_end|>\n"
    )
    assert "Tools:\nadd() Adds." in tokenizer.decode(encoded.input_ids)


def test_a_template_whose_answers_begin_with_a_space(tokenizer: Any) -> None:
    other = with_chat(tokenizer, LLAMA)
    (encoded,) = encode_row(ROWS["moss"], other)
    assert trained(encoded, other) == " It is 1.<|im_end|>· It is 2.<|im_end|>"
    assert not encoded.last_only


def test_a_template_that_forgets_is_trained_on_the_last_answer(tokenizer: Any) -> None:
    other = with_chat(tokenizer, FORGETTING)
    row = {
        "conversation": [
            {"human": "one?", "assistant": "<think>hm</think>It is 1."},
            {"human": "two?", "assistant": "<think>oh</think>It is 2."},
        ]
    }
    (encoded,) = encode_row(row, other)
    assert trained(encoded, other) == "<think>oh</think>It is 2.<|im_end|>\n"
    assert encoded.last_only
    (plain,) = encode_row(ROWS["moss"], other)  # nothing to forget: both are trained on
    assert not plain.last_only


def test_labels_are_those_of_a_template_that_marks_them(tokenizer: Any) -> None:
    other = with_chat(tokenizer, MARKING)
    talks = [
        [
            {
                "role": "user" if at % 2 == 0 else "assistant",
                "content": f"{number} and {at}. Ünï 🙂",
            }
            for at in range(2 + 2 * (number % 4))
        ]
        for number in range(40)
    ]
    examples = [Example(number, talk) for number, talk in enumerate(talks)]
    for one, talk in zip(encode(examples, other, Shape(1024)), talks, strict=True):
        assert isinstance(one, Encoded)
        told = other.apply_chat_template(talk, return_dict=True, return_assistant_tokens_mask=True)
        assert one.input_ids == told["input_ids"]
        assert [label != IGNORED for label in one.labels] == [*map(bool, told["assistant_masks"])]


def test_a_prompt_that_begins_a_thought(tokenizer: Any) -> None:
    other = with_chat(tokenizer, THINKING)
    (encoded,) = encode_row(ROWS["moss"], other)
    assert trained(encoded, other) == "It is 1.<|im_end|>\n·It is 2.<|im_end|>\n"


def test_a_template_without_an_end_learns_to_stop(tokenizer: Any) -> None:
    other = with_chat(tokenizer, ENDLESS)
    (encoded,) = encode_row({"prompt": "one?", "completion": "It is 1."}, other)
    assert other.decode(encoded.input_ids) == "user: one?\nassistant: It is 1.\n<|im_end|>"
    assert trained(encoded, other).endswith("It is 1.\n<|im_end|>")


def test_a_model_without_a_template_gets_the_plain_one(tokenizer: Any) -> None:
    other = with_chat(tokenizer, "")
    assert with_template(other)
    assert other.chat_template == PLAIN_TEMPLATE
    assert not with_template(other)
    (encoded,) = encode_row(ROWS["moss"], other)
    assert other.decode(encoded.input_ids) == (
        "User: one?\nAssistant: It is 1.<|im_end|>\nUser: two?\nAssistant: It is 2.<|im_end|>\n"
    )
    assert trained(encoded, other) == " It is 1.<|im_end|>\n· It is 2.<|im_end|>\n"


def test_a_tokenizer_without_offsets_gives_the_same_labels(tokenizer: Any) -> None:
    class Slow:
        is_fast = False

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, *texts: Any, **options: Any) -> Any:
            return tokenizer(*texts, **options)

    assert encode_row(ROWS["moss"], Slow()) == encode_row(ROWS["moss"], tokenizer)


def test_a_refusing_template(tokenizer: Any) -> None:
    other = with_chat(tokenizer, "{{ raise_exception('only one turn') }}")
    ((_, bad),) = encode_row(ROWS["moss"], other)
    assert (bad.code, "only one turn" in bad.message) == ("template_refuses", True)


def test_long_rows(tokenizer: Any) -> None:
    row = {"prompt": "one? " * 30, "completion": "It is 1. " * 30}
    (whole,) = encode_row(row, tokenizer)
    length = len(whole.input_ids)
    (begun,) = encode_row(row, tokenizer, max_length=length - 5)
    assert begun.input_ids == whole.input_ids[:-5]
    assert begun.lost == 5
    (ended,) = encode_row(row, tokenizer, max_length=length - 5, keep_end=True)
    assert ended.input_ids == whole.input_ids[5:]
    assert ended.labels == whole.labels[5:]
    ((_, bad),) = encode_row(row, tokenizer, max_length=16)
    assert isinstance(bad, BadRow)
    assert bad.code == "fully_masked"
    assert f"it has {length} tokens" in bad.message


def test_many_rows_keep_their_order(tokenizer: Any) -> None:
    examples = [Example(number, prompt=f"{number}?", text=str(number)) for number in range(70)]
    found = [
        one for one in encode(examples, tokenizer, Shape(256), batch=16) if isinstance(one, Encoded)
    ]
    assert [one.row for one in found] == list(range(70))
    for one in found:
        assert trained(one, tokenizer) == f"{one.row}<|im_end|>\n"


@pytest.mark.parametrize("plain", [False, True])
def test_preferences(tokenizer: Any, plain: bool) -> None:
    example = Example(1, prompt="one?", chosen="It is 1.", rejected="It is 2.")
    (pair,) = encode_pairs([example], tokenizer, Shape(256, plain_prompts=plain))
    assert isinstance(pair, Pair)
    end = "<|im_end|>" if plain else "<|im_end|>\n"
    asked = "one?" if plain else "<|im_start|>user\none?<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(pair.prompt_ids) == asked
    assert tokenizer.decode(pair.chosen_ids) == f"It is 1.{end}"
    assert tokenizer.decode(pair.rejected_ids) == f"It is 2.{end}"


def test_a_preference_whose_question_fills_everything(tokenizer: Any) -> None:
    example = Example(1, prompt="one? " * 50, chosen="1", rejected="2")
    ((_, bad),) = encode_pairs([example], tokenizer, Shape(32))
    assert bad.code == "fully_masked"
