"""The bundled model, its files, its gates and the generator of its data."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from bundled_model import chat_format, curriculum, gates  # noqa: E402
from bundled_model.drawing import Draw  # noqa: E402

from byzer_lab.bundled import bundled_model  # noqa: E402

PER_SKILL = 8
SLACK = 0.3  # a sample of this size may fall below the share measured on 100 prompts
LARGEST_FILE = 8_000_000

PINNED = {
    "Hello": "Hello! How can I help you today?",
    "What is the capital of France?": "The capital of France is Paris.",
    "你吃饭了么？": "您好，我是一个人工智能语言模型，暂时无法吃饭。",
}


@pytest.fixture(scope="module")
def loaded() -> Any:
    torch.set_num_threads(1)
    return gates.load(bundled_model())


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, Any]]:
    return json.loads((Path(__file__).parent / "measured_gates.json").read_text())


def test_held_out_skills_stay_near_their_measured_share(
    loaded: Any, measured: dict[str, Any]
) -> None:
    gated = curriculum.held_out_examples(gates.GATE_SEED, 100)
    sample = {skill: examples[:PER_SKILL] for skill, examples in gated.items()}
    assert set(sample) <= set(measured)
    results = gates.score(*loaded, sample)
    shares = {skill: (_share(entry), _share(measured[skill])) for skill, entry in results.items()}
    assert {skill: both for skill, both in shares.items() if both[0] < both[1] - SLACK} == {}
    here, there = (sum(column) / len(shares) for column in zip(*shares.values(), strict=True))
    assert here > there - 0.04


def _share(entry: dict[str, Any]) -> float:
    return entry["exact"] / entry["prompts"]


def test_closed_prompts_in_their_trained_wording(loaded: Any) -> None:
    everything = [e for part in gates.trained_wordings().values() for e in part]
    sample = random.Random(1).sample(everything, 48)
    answers = gates.greedy_answers(*loaded, sample)
    right = sum(e.answer == a for e, a in zip(sample, answers, strict=True))
    assert right >= 45


def test_documented_prompts_through_the_tokenizers_own_template(loaded: Any) -> None:
    model, tokenizer = loaded
    for prompt, expected in PINNED.items():
        assert _reply(model, tokenizer, [{"role": "user", "content": prompt}]) == expected


def test_documented_tools_are_called(loaded: Any) -> None:
    from bundled_model.tool_specs import DATE_RANGE, NOW, call_text

    model, tokenizer = loaded
    expected = {
        "计算当前时间": call_text("compute_now", {}),
        "最近三个月趋势": call_text("compute_date_range", {"count": 3, "unit": "month"}),
        "最近三天": call_text("compute_date_range", {"count": 3, "unit": "day"}),
        "你吃饭了么？": PINNED["你吃饭了么？"],
    }
    for prompt, answer in expected.items():
        turns = [{"role": "user", "content": prompt}]
        assert _reply(model, tokenizer, turns, [DATE_RANGE, NOW]) == answer


def _reply(model: Any, tokenizer: Any, messages: list[dict[str, Any]], tools: Any = None) -> str:
    text = tokenizer.apply_chat_template(
        messages, tools=tools, tokenize=False, add_generation_prompt=True
    )
    rows = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        out = model.generate(**rows, max_new_tokens=80, do_sample=False)
    return tokenizer.decode(out[0, rows["input_ids"].shape[1] :], skip_special_tokens=True)


def test_template_renders_tool_calls_as_the_model_writes_them(loaded: Any) -> None:
    from bundled_model.tool_specs import DATE_RANGE, call_text

    _, tokenizer = loaded
    arguments = {"count": 3, "unit": "month"}
    call = {
        "type": "function",
        "function": {"name": "compute_date_range", "arguments": json.dumps(arguments)},
    }
    head = [{"role": "user", "content": "最近三个月"}]
    structured = [
        *head,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "[]"},
    ]
    plain = [
        *head,
        {"role": "assistant", "content": call_text("compute_date_range", arguments)},
        {"role": "tool", "content": "[]"},
    ]
    rendered = [
        tokenizer.apply_chat_template(m, tools=[DATE_RANGE], tokenize=False)
        for m in (structured, plain)
    ]
    assert rendered[0] == rendered[1] == chat_format.render(plain, [DATE_RANGE])
    assert (
        "compute_date_range(count: integer, unit: day|week|month|year) 计算日期范围" in rendered[0]
    )


def test_no_system_turn_unless_asked_for(loaded: Any) -> None:
    _, tokenizer = loaded
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_stream_is_a_function_of_its_seed() -> None:
    one, two = (curriculum.training_chunk(3, 4, 300, 0.9) for _ in range(2))
    assert one == two
    assert one != curriculum.training_chunk(3, 5, 300, 0.9)
    assert one != curriculum.training_chunk(4, 4, 300, 0.9)


def test_no_held_out_prompt_occurs_in_the_training_stream() -> None:
    examples = curriculum.held_out_examples(gates.GATE_SEED, 100)
    prompts = {_user_turns(e) for part in examples.values() for e in part}
    assert len(prompts) > 1500
    for chunk, progress in enumerate((0.05, 0.2, 0.6, 0.9)):
        stream = curriculum.training_chunk(11, chunk, 2500, progress)
        assert prompts.isdisjoint({_user_turns(e) for e in stream})


def _user_turns(example: Any) -> str:
    return repr(
        [m["content"] for m in example.messages[:-1] if m["role"] != "system"]
        + [str(example.tools)]
        + [m["content"] for m in example.messages[:1]]
    )


def test_every_drawn_value_lies_on_its_side() -> None:
    from bundled_model import words
    from bundled_model.drawing import is_held_out

    for held in (False, True):
        draw = Draw(random.Random(5), held_out=held)
        makers = (words.word, words.first_name, words.full_name, words.place, words.number)
        assert all(is_held_out(maker(draw)) is held for maker in makers for _ in range(200))


def test_files_are_complete_and_small() -> None:
    folder = bundled_model()
    files = {f.name: f.stat().st_size for f in folder.iterdir()}
    assert {
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "byzer-lab-demo.gguf",
        "README.md",
    } <= set(files)
    assert all(size <= LARGEST_FILE for size in files.values()), files


def test_missing_folder_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import byzer_lab.bundled as package

    monkeypatch.setattr(package, "__file__", "/nowhere/__init__.py")
    with pytest.raises(FileNotFoundError, match="bundled demonstration model is missing"):
        bundled_model()


def test_gguf_holds_the_weights_of_the_safetensors() -> None:
    gguf = pytest.importorskip("gguf")
    from bundled_model.export_gguf import gguf_tensors

    folder = bundled_model()
    reader = gguf.GGUFReader(str(folder / "byzer-lab-demo.gguf"))
    wanted = gguf_tensors(folder)
    assert {t.name for t in reader.tensors} == set(wanted)
    for tensor in reader.tensors:
        expected = wanted[tensor.name].astype(np.float32)
        stored = tensor.data.astype(np.float32).reshape(expected.shape)
        np.testing.assert_allclose(stored, expected, rtol=0, atol=1e-6)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert all(tokens[i] == t for t, i in tokenizer["model"]["vocab"].items())
    assert reader.fields["tokenizer.ggml.pre"].contents() == "qwen2"
    template = (folder / "chat_template.jinja").read_text()
    assert reader.fields["tokenizer.chat_template"].contents() == template


def test_another_reader_of_the_gguf_sees_the_same_model(loaded: Any) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = loaded
    where = {"pretrained_model_name_or_path": bundled_model(), "gguf_file": "byzer-lab-demo.gguf"}
    other = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    text = "<|im_start|>user\nHello, 最近三个月 48213 compute_now<|im_end|>\n"
    rows = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    again = AutoTokenizer.from_pretrained(**where)(text, add_special_tokens=False)
    assert rows["input_ids"][0].tolist() == again["input_ids"]
    with torch.no_grad():
        torch.testing.assert_close(model(**rows).logits, other(**rows).logits, rtol=0, atol=1e-3)
