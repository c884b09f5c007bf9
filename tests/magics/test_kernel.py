"""The magics in a real kernel against a real cluster."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.conftest import COUNTING
from tests.magics.kernel_driver import KernelDriver

DEPLOY = f"--model_path none --backend {COUNTING}"


def test_an_answer_arrives_piece_by_piece(chat: KernelDriver) -> None:
    ran = chat.run("%%prompt chat --max_tokens 60\nCount, {please}.")
    assert ran.status == "ok"
    updates = ran.times("update_display_data")
    assert len(updates) >= 10
    assert updates[-1] - updates[0] > 1.0  # 60 tokens, 30 ms apart
    in_a_second = max(sum(a <= b < a + 1 for b in updates) for a in updates)
    assert in_a_second <= 21
    expected = "".join(f"{number} " for number in range(1, 61))
    answer, footer = ran.bundles
    assert answer == {"text/markdown": expected, "text/plain": expected}
    assert footer["text/plain"].startswith("chat · 1 + 60 tokens · first token ")
    assert footer["text/plain"].endswith(" tokens/s")
    metadata = next(c["metadata"] for c in ran.of("display_data") if c["metadata"])["byzer_lab"]
    assert set(metadata) == {
        "model", "input_tokens", "output_tokens", "first_token_ms", "total_ms",
        "tokens_per_second", "finish_reason",
    }  # fmt: skip
    assert (metadata["model"], metadata["output_tokens"]) == ("chat", 60)
    assert metadata["finish_reason"] == "stop"


def test_the_reply_is_a_value_shown_once(chat: KernelDriver) -> None:
    ran = chat.run("%%prompt --max_tokens 3 --as answer\nHello")
    assert ran.texts[0] == "1 2 3 "
    assert len(ran.texts) == 2  # and not once more as the cell's value
    again = chat.run("_")
    assert again.texts == ["1 2 3 "]
    told = chat.run(
        "print(answer == _ == '1 2 3 ', answer.text, answer.usage.output_tokens, answer.model,"
        " [m.role for m in answer.messages])"
    )
    assert told.stdout == "True 1 2 3  3 chat ['user', 'assistant']\n"


def test_the_one_line_form_keeps_other_outputs(chat: KernelDriver) -> None:
    ran = chat.run(
        "print('before')\nr = %prompt --max_tokens 2 Who are you?\nprint(r.messages[0].content)"
    )
    assert ran.stdout == "before\nWho are you?\n"
    assert not ran.of("clear_output")
    assert ran.of("update_display_data")[-1]["data"]["text/plain"] == "1 2 "


def test_templates_and_the_system_message(chat: KernelDriver) -> None:
    chat.run("name = 'Ada'")
    told = "print([(m.role, m.content) for m in r.messages[:-1]])"
    chat.run('%%prompt --system "Be brief." --max_tokens 1 --as r\nHi {{ name }} {x}')
    assert chat.run(told).stdout == "[('system', 'Be brief.'), ('user', 'Hi Ada {x}')]\n"
    chat.run("%%prompt --raw --max_tokens 1 --as r\nHi {{ name }}")
    assert chat.run(told).stdout == "[('user', 'Hi {{ name }}')]\n"
    ran = chat.run("%%prompt\nHi {{ nam }}")
    assert ran.status == "error"
    assert ran.stderr == (
        "UsageError: 'nam' is not defined in this notebook (--raw switches templates off); did "
        "you mean name?\n"
    )


def test_an_interrupt_cancels_on_the_worker(chat: KernelDriver) -> None:
    before = chat.run("%llm_logs chat").stdout.count("cancelled ")
    ran = chat.run("%%prompt chat --max_tokens 100000\nCount.", interrupt_after_s=1.5)
    assert ran.status == "error"
    assert ran.error == (
        "KeyboardInterrupt",
        "The answer was interrupted; the model has stopped.",
    )
    assert len(ran.traceback) == 1
    answer, footer = ran.texts
    assert answer.startswith("1 2 3 ")
    assert footer.startswith("■ interrupted · chat · ")
    deadline = time.monotonic() + 10
    while chat.run("%llm_logs chat").stdout.count("cancelled ") == before:
        assert time.monotonic() < deadline, "the worker went on"
        time.sleep(0.2)


def test_an_answer_that_breaks_off_keeps_its_text(chat: KernelDriver) -> None:
    ran = chat.run("%%prompt --completion\nbreak")
    assert ran.error == ("EngineError", "The engine broke in the middle.")
    assert ran.traceback == ["EngineError: The engine broke in the middle."]
    assert ran.texts[0] == "half "
    assert ran.texts[1].startswith("■ broke off · chat")
    refused = chat.run("%%prompt --completion\nrefuse")
    assert refused.error == ("InvalidRequestError", "This engine refuses that prompt.")
    assert refused.bundles == []


@pytest.mark.parametrize(
    ("code", "name", "sentence"),
    [
        ("%%prompt chta\nHi", "ModelNotFoundError", "There is no deployment 'chta'; there is: "),
        ("%llm_meta chta", "ModelNotFoundError", "There is no deployment 'chta'; there is: chat."
         " Did you mean 'chat'?"),
        ("%llm_undeploy nobody", "ModelNotFoundError", "There is no deployment 'nobody'; there"),
        ("%llm_scale chat 0", "InvalidRequestError", "workers is 0; it must be from 1 to 1000."),
        ("%llm_logs nobody", "ModelNotFoundError", "There is no deployment 'nobody'; there is: "),
        ("%llm_deploy x --model_path m --backend nosuch", "InvalidRequestError",
         "There is no backend 'nosuch'; there is: "),
    ],
)  # fmt: skip
def test_errors_are_one_sentence(chat: KernelDriver, code: str, name: str, sentence: str) -> None:
    ran = chat.run(code)
    assert ran.status == "error"
    assert ran.error[0] == name
    assert ran.error[1].startswith(sentence)
    assert ran.traceback == [f"{name}: {ran.error[1]}"]


def test_looking_around(chat: KernelDriver) -> None:
    ran = chat.run("%llm_list")
    header, row = ran.texts[0].splitlines()
    assert header.split()[:4] == ["name", "state", "backend", "model"]
    assert row.split()[:5] == ["chat", "ready", COUNTING, "none", "1/1"]
    assert "<table" in ran.bundles[0]["text/html"]
    meta = chat.run("m = %llm_meta chat\nprint(isinstance(m, dict), m['backend'])")
    assert meta.stdout == "True counting\n"
    status = chat.run("%llm_status").texts[0]
    assert "gateway" in status
    assert "1 ready" in status


def test_completion_through_the_kernel(chat: KernelDriver) -> None:
    chat.run("import byzer_lab.client.session")
    assert chat.complete("%%prompt --temp") == ["--temperature"]
    started = time.monotonic()
    names = chat.complete("%%prompt ch")
    assert time.monotonic() - started < 2
    assert names == ["chat"] or chat.complete("%%prompt ch") == ["chat"]
    assert chat.complete("%llm_undeploy ch") == ["chat"]


def test_the_state_of_a_deploy_is_one_display(kernel: KernelDriver) -> None:
    ran = kernel.run(f"%%llm_deploy slow {DEPLOY}\nload_s = 1.5")
    assert ran.status == "ok"
    ids = {c["transient"]["display_id"] for c in ran.of("display_data", "update_display_data")}
    assert len(ids) == 1
    lines = [c["data"]["text/plain"] for c in ran.of("update_display_data")]
    assert any("loading weights  ██" in line for line in lines)
    assert lines[-1].startswith(f"✓ slow: ready · none · {COUNTING} · 1 worker · ")
    assert len(set(ran.times("update_display_data"))) > 5
    html = [c["data"]["text/html"] for c in ran.of("update_display_data")]
    assert all("var(--jp-" in text for text in html)
    again = kernel.run(f"%%llm_deploy slow {DEPLOY}\nload_s = 1.5")
    assert again.status == "ok"
    scaled = kernel.run("%llm_scale slow 2")
    assert scaled.of("update_display_data")[-1]["data"]["text/plain"].startswith(
        "✓ slow: 2 workers · "
    )
    gone = kernel.run("%llm_undeploy slow --force")
    assert gone.status == "ok"
    assert "slow" not in (kernel.run("%llm_list").texts[0])


def test_an_interrupt_cancels_a_deploy(kernel: KernelDriver) -> None:
    ran = kernel.run(f"%%llm_deploy slow {DEPLOY}\nload_s = 60", interrupt_after_s=2.5)
    assert ran.error == (
        "KeyboardInterrupt",
        "The deploy was cancelled; nothing of it runs.",
    )
    assert len(ran.traceback) == 1
    last = ran.of("update_display_data")[-1]["data"]["text/plain"]
    assert last.startswith("■ slow: cancelled after ")
    assert "slow" not in kernel.run("%llm_list").texts[0]


def test_a_failed_deploy_shows_the_engines_words_and_its_log(kernel: KernelDriver) -> None:
    ran = kernel.run(
        f"%%llm_deploy bad {DEPLOY}\nfail = The weights are not here.\nsay = looking for weights"
    )
    name, sentence = ran.error
    assert name == "DeployFailedError"
    assert "The weights are not here." in sentence
    assert ran.traceback == [
        f"DeployFailedError: {sentence}",
        "",
        "The last lines of its log:",
        "  looking for weights",
        "  loading weights",
    ]
    kernel.run("%llm_undeploy bad --force")


def test_without_waiting(kernel: KernelDriver) -> None:
    ran = kernel.run(f"%llm_deploy slow {DEPLOY} --no-wait")
    assert ran.texts == ["slow is being deployed; %llm_list shows how far it is."]
    kernel.run("%llm_undeploy slow --force")


def test_who_is_asked_when_nobody_is_named(chat: KernelDriver) -> None:
    deployed = chat.run(f"%llm_deploy other {DEPLOY}")
    try:
        assert deployed.status == "ok", deployed.messages
        ran = chat.run("%%prompt\nHi")
        assert ran.stderr == (
            "UsageError: Several models are ready, name one: %%prompt chat or other.\n"
        )
        chat.run('%config ByzerMagics.model = "other"')
        ran = chat.run("%%prompt --max_tokens 1\nHi")
        assert ran.texts[1].startswith("other · ")
    finally:
        chat.run('%config ByzerMagics.model = ""')
        chat.run("%llm_undeploy other --force")


def test_a_secret_is_in_no_output(kernel: KernelDriver) -> None:
    secret = "sk-verysecretvalue"
    kernel.run(f"import os; os.environ['MY_KEY'] = {secret!r}")
    seen = []

    def run(code: str) -> str:
        ran = kernel.run(code)
        kinds = ("display_data", "update_display_data", "execute_result", "stream", "error")
        seen.append(repr(ran.of(*kinds)))
        return seen[-1]

    run(f"%%llm_deploy keyed {DEPLOY}\nkey = ${{MY_KEY}}\nsay = the key is ${{MY_KEY}}")
    seen.append(kernel.eventually("%llm_logs keyed", "the key is ******"))
    assert "the key is ******" in seen[-1]
    run("%llm_list")
    run("%llm_meta keyed")
    run("%llm_undeploy keyed --force")
    failed = run(f"%%llm_deploy keyed {DEPLOY}\nsay = ${{MY_KEY}}\nfail = ${{MY_KEY}} is wrong")
    assert "****** is wrong" in failed
    run("%llm_undeploy keyed --force")
    assert not any(secret in text for text in seen)


def test_updates_leave_the_page_time_to_render(chat: KernelDriver) -> None:
    ran = chat.run("%%prompt --max_tokens 40\nCount.")
    moments = ran.times("update_display_data")
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert sum(gaps) / len(gaps) > 0.045
