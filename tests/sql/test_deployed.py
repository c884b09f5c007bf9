"""Scripts on a real cluster: the bundled model, and a provider that counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab import ByzerLLM
from byzer_lab.errors import DeployFailedError, InvalidRequestError
from byzer_lab.sql.commands.running import Runner, Way
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.store import AnswerStore
from tests.support.stand_in import KEY, StandIn

LLAMA = """
!byzerllm setup single;
!byzerllm setup "num_gpus=0";
!byzerllm setup "maxConcurrency=1";
!byzerllm setup "infer_backend=transformers";

run command as LLM.`` where 
action="infer"
and pretrainedModelType="custom/auto"
and localModelDir="bundled"
and reconnect="false"
and udfName="llama2_chat"
and modelTable="command";
"""  # noqa: W291
ASK = """
select 
llama2_chat(llm_param(map(
              "system_msg",'You are a helpful assistant. Think it over and answer the user question correctly.',
              "instruction",llm_prompt('
What is the capital of {0}?
',array("France")),
              "temperature", "0", "max_tokens", "12"
))) as q 
as q1;
select llm_result(q) as a from q1 as q2;
"""  # noqa: E501, W291


@pytest.fixture
def session(llm: ByzerLLM, tmp_path: Path) -> Iterator[SqlSession]:
    session = SqlSession(store=AnswerStore(tmp_path / "answers.db"))
    yield session
    session.close()


def rows(session: SqlSession, script: str) -> list[dict[str, Any]]:
    made = Runner(session, Way()).run(script)
    found: list[dict[str, Any]] = session.engine.query(session.all_of(made)).to_pylist()
    return found


@pytest.mark.slow
def test_a_model_is_deployed_and_asked(session: SqlSession, llm: ByzerLLM) -> None:
    [told] = rows(session, LLAMA)
    assert told["function"] == "llama2_chat"
    [answer] = rows(session, ASK)
    assert "Paris" in str(answer["a"])
    again = Way()
    Runner(session, again).run(ASK)
    assert (again.report.total.cached, again.report.total.ok) == (1, 0)
    assert rows(session, "!byzerllm model exists llama2_chat;") == [{"value": True}]
    other = SqlSession(store=AnswerStore(session.store().path))
    try:  # a deployed model is a function in every session
        assert rows(other, ASK) == [answer]
    finally:
        other.close()
    rows(session, "!byzerllm model remove llama2_chat;")
    assert rows(session, "!byzerllm model exists llama2_chat;") == [{"value": False}]


def provider(server: StandIn, name: str, **more: str) -> str:
    given = {
        "action": "infer",
        "pretrainedModelType": "saas/openai",
        "saas.api_key": KEY,
        "saas.base_url": server.url,
        "saas.model": "gpt-4o-mini",
        "udfName": name,
        "modelTable": "command",
        **more,
    }
    options = " and ".join(f'`{key}`="{value}"' for key, value in given.items())
    return f"run command as LLM.`` where {options};"


@pytest.mark.slow
def test_a_provider_is_asked_within_its_limit(session: SqlSession) -> None:
    with StandIn(pause_s=0.05) as server:
        setup = '!byzerllm setup single; !byzerllm setup "num_gpus=0"; '
        setup += '!byzerllm setup "maxConcurrency=2"; !byzerllm setup "workerMaxConcurrency=4"; '
        [told] = rows(session, setup + provider(server, "gpt"))
        assert told["requests_at_a_time"] == 8
        made = rows(
            session,
            "with n as (select explode(sequence(0, 199)) as i) "
            "select i, llm_result(gpt(concat('say ', i % 50))) as a from n as made;"
            "select * from made order by i as ordered;",
        )
        assert [row["a"] for row in made] == [f"You said: say {i % 50}" for i in range(200)]
        assert server.answered == 50
        assert server.most_at_once == 8


@pytest.mark.slow
def test_vectors_of_a_provider(session: SqlSession) -> None:
    with StandIn() as server:
        rows(session, provider(server, "emb", **{"saas.model": "text-embedding-3-small"}))
        [row] = rows(session, "select llm_embed('emb', 'a text') as v as made;")
        assert len(list(row["v"])) == 8


def test_what_a_deploy_refuses(session: SqlSession) -> None:
    with pytest.raises(InvalidRequestError, match="udfName is missing"):
        rows(session, 'run command as LLM.`` where action="infer";')
    with pytest.raises((InvalidRequestError, DeployFailedError), match="GPU"):
        rows(session, '!byzerllm setup single; !byzerllm setup "num_gpus=64";'
             + LLAMA.split(";", 4)[4])  # fmt: skip
