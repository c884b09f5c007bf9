"""``run command as LLM`` and ``!byzerllm``, with Byzer-LLM's own scripts; nothing is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.errors import InvalidRequestError
from tests.sql.conftest import Lab

LLAMA = """
!byzerllm setup single;
!byzerllm setup "num_gpus=4";
!byzerllm setup "maxConcurrency=1";
!byzerllm setup "infer_backend=transformers";

run command as LLM.`` where 
action="infer"
and pretrainedModelType="custom/llama2"
and localModelDir="/home/byzerllm/models/openbuddy-llama-13b-v5-fp16"
and reconnect="false"
and udfName="llama2_chat"
and modelTable="command";

"""  # noqa: W291
ASK = """

select 
llama2_chat(llm_param(map(
              "user_role","User",
              "assistant_role","Assistant",
              "system_msg",'You are a helpful assistant. Think it over and answer the user question correctly.',
              "instruction",llm_prompt('
Please remenber my name: {0}              
',array("Zhu William"))

))) as q 
as q1;
"""  # noqa: E501, W291
AZURE = """

!byzerllm setup single;
!byzerllm setup "num_gpus=0";
!byzerllm setup "maxConcurrency=10";

run command as LLM.`` where
action="infer"
and pretrainedModelType="saas/azure_openai"
and `saas.api_type`="azure"
and `saas.api_key`="xxx"
and `saas.api_base`="xxx"
and `saas.api_version`="2023-07-01-preview"
and `saas.deployment_id`="xxxxx"
and udfName="azure_openai"
and modelTable="command";
"""
SPARKDESK = """
!byzerllm setup single;
!byzerllm setup "num_gpus=0";
!byzerllm setup "maxConcurrency=10";

run command as LLM.`` where
action="infer"
and pretrainedModelType="saas/sparkdesk"
and `saas.appid`="xxxxxxxxxxxxxxxxxx"
and `saas.api_key`="xxxxxxxxxxxxxxxx"
and `saas.api_secret`="xxxx"
and `gpt_url`="ws://spark-api.xf-yun.com/v1.1/chat"
and udfName="sparkdesk_saas"
and modelTable="command";
"""
CONVERTED = """
-- 部署hugginface 模型
!byzerllm setup single;

set node="master";
!byzerllm setup "num_gpus=2";
!byzerllm setup "workerMaxConcurrency=1";

run command as LLM.`` where 
action="infer"
and pretrainedModelType="custom/auto"
and localModelDir="/home/byzerllm/models/my_3b_test2"
and reconnect="false"
and udfName="my_3b_chat"
and modelTable="command";
"""  # noqa: W291


@pytest.fixture
def deploys(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was deployed instead of being deployed."""
    found: list[dict[str, Any]] = []

    class Recorder(ByzerLLM):
        def deploy(self, **given: Any) -> dict[str, Any]:  # type: ignore[override]
            found.append({**given, "settings": self._settings})
            return {}

    monkeypatch.setattr("byzer_lab.sql.commands.llm.ByzerLLM", Recorder)
    model = lab.models.find("m")
    monkeypatch.setattr(lab.models, "find", lambda name: type(model)(name, 8, "r", {}))
    return found


def test_a_local_model_and_its_question(lab: Lab, deploys: list[dict[str, Any]]) -> None:
    lab.run(LLAMA)
    [made] = deploys
    assert made["settings"] == {"gpus_per_worker": 4.0, "workers": 1, "backend": "transformers"}
    assert made["model_path"] == "/home/byzerllm/models/openbuddy-llama-13b-v5-fp16"
    assert (made["pretrained_model_type"], made["udf_name"]) == ("custom/llama2", "llama2_chat")
    assert made["infer_params"] == {}
    [row] = lab.run(ASK)
    assert list(row) == ["q"]
    [question] = lab.models.questions
    assert [message.role for message in question.messages] == ["system", "user"]
    assert "Please remenber my name: Zhu William" in question.messages[1].text
    assert question.roles == ("User", "Assistant")


@pytest.mark.parametrize(
    ("script", "family", "parameters"),
    [
        (
            AZURE,
            "saas/azure_openai",
            {"saas.api_type", "saas.api_key", "saas.api_base", "saas.api_version",
             "saas.deployment_id"},
        ),
        (
            SPARKDESK,
            "saas/sparkdesk",
            {"saas.appid", "saas.api_key", "saas.api_secret", "gpt_url"},
        ),
    ],
)  # fmt: skip
def test_providers(
    lab: Lab, deploys: list[dict[str, Any]], script: str, family: str, parameters: set[str]
) -> None:
    lab.run(script)
    [made] = deploys
    assert made["settings"] == {"gpus_per_worker": 0.0, "workers": 10}
    assert made["pretrained_model_type"] == family
    assert set(made["infer_params"]) == parameters


def test_both_families_of_keys(lab: Lab, deploys: list[dict[str, Any]]) -> None:
    lab.run(CONVERTED)
    assert deploys[0]["settings"] == {"gpus_per_worker": 2.0, "worker_concurrency": 1}
    lab.run(
        '!byzerllm setup single; !byzerllm setup "gpus_per_worker=0.5" "num_workers=3";'
        '!byzerllm setup "resource.master=0.01"; !byzerllm setup "rayAddress=127.0.0.1:10001";'
        + CONVERTED.rpartition("!byzerllm")[2].partition(";")[2]
    )
    assert deploys[1]["settings"] == {
        "gpus_per_worker": 0.5,
        "workers": 3,
        "resources": {"master": 0.01},
    }


def test_a_model_that_runs_is_only_named(lab: Lab, deploys: list[dict[str, Any]]) -> None:
    lab.run('run command as LLM.`` where action="infer" and reconnect="true" and udfName="again";')
    assert deploys == []
    lab.run("select again('a') as a as t;")
    assert lab.models.calls == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('action="infer" and pretrainedModelType="custom/auto"', "udfName is missing"),
        ('action="infer" and udfName="x"', "pretrainedModelType is missing"),
        ('action="inefr" and udfName="x"', 'action is "inefr"'),
    ],
)
def test_what_is_missing(lab: Lab, deploys: list[dict[str, Any]], options: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        lab.run(f"run command as LLM.`` where {options};")
    assert deploys == []
