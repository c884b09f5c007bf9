"""What is filled in is checked on the real schemas of the real backends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.engines import BACKENDS
from byzer_lab.records import ClusterRecord, DeploymentSpec, Resources
from byzer_lab.schema import ParameterInfo
from byzer_lab.secrets import names_secret
from byzer_lab.types import Sampling
from byzer_lab.widgets.catalog import basic_first, family_types, parameters_of
from byzer_lab.widgets.draft import Checked, Draft, World, check
from byzer_lab.widgets.references import refusal
from byzer_lab.widgets.surroundings import in_words, this_machine

KEY = "sk-proj-1234567890abcdef"


def checked(world: World | None = None, **fields: Any) -> Checked:
    """A draft of the bundled model, with these fields."""
    settings = {"model_path": "bundled", **fields.pop("settings", {})}
    draft = Draft(**{"name": "chat", **fields}, settings=settings)
    return check(draft, world or this_machine(), parameters_of(draft.setting("backend")))


def test_a_good_draft_is_a_spec() -> None:
    found = checked(
        settings={"workers": "2", "gpus_per_worker": "0.5", "load_balance": "round_robin"},
        parameters={"max_model_len": "512", "dtype": "float32", "trust_remote_code": True},
        generation={"temperature": "0.2", "stop": "a, b"},
        resources="big_memory=0.01, disk = 2",
    )
    assert found.problems == {}
    assert found.spec == DeploymentSpec(
        "chat",
        "bundled",
        workers=2,
        gpus_per_worker=0.5,
        load_balance="round_robin",
        resources={"big_memory": 0.01, "disk": 2.0},
        infer_params={"max_model_len": 512, "dtype": "float32", "trust_remote_code": True},
        generation=Sampling(temperature=0.2, stop=["a", "b"]),
    )
    assert found.notes["model_path"] == "llama · LlamaForCausalLM"


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"name": ""}, "name", "Give it a name"),
        ({"name": "a b"}, "name", "'a b' can't name a deployment"),
        ({"settings": {"model_path": None}}, "model_path", "Give a folder"),
        ({"settings": {"workers": "two"}}, "workers", "workers is 'two'; it must be a whole"),
        ({"settings": {"workers": "0"}}, "workers", "it must be a whole number from 1 to 1000"),
        ({"settings": {"min_workers": "3", "max_workers": "2"}}, "max_workers", "from 3 to 1000"),
        ({"settings": {"load_balance": "random"}}, "load_balance", "one of lru, round_robin"),
        ({"settings": {"model_path": "/no/such"}}, "model_path", "no folder '/no/such'"),
        ({"settings": {"model_path": "~nosuchuser/m"}}, "model_path", "home directory"),
        ({"settings": {"model_path": "/" + "x" * 300}}, "model_path", "File name too long"),
        ({"settings": {"pretrained_model_type": "custom/nosuch"}}, "pretrained_model_type",
         "There is no pretrained_model_type 'custom/nosuch'"),
        ({"settings": {"pretrained_model_type": "custom/bge", "backend": "llama_cpp"}},
         "pretrained_model_type", "is served by the transformers backend"),
        ({"resources": "big_memory"}, "resources", "The amount of big_memory is ''; it must be"),
        ({"resources": "disk=-1"}, "resources", "The amount of disk is '-1'; it must be a number"),
        ({"resources": "GPU=1"}, "resources", "'GPU' can't be reserved as a resource"),
        ({"resources": "=1"}, "resources", "'' can't be reserved as a resource"),
        ({"parameters": {"max_model_len": "1"}}, "infer_params.max_model_len", "at least 2"),
        ({"parameters": {"dtype": "float8"}}, "infer_params.dtype", "one of auto, float32"),
        ({"parameters": {"attn_implementation": KEY}}, "infer_params.attn_implementation",
         "A secret is never written here"),
        ({"parameters": {"attn_implementation": "${NOT_SET_ANYWHERE}"}},
         "infer_params.attn_implementation", "NOT_SET_ANYWHERE is not set in the environment"),
        ({"generation": {"top_p": "2"}}, "generation.top_p", "at most 1"),
        ({"settings": {"backend": "llama_cpp"}, "parameters": {"tensor_split": "a,b"}},
         "infer_params", "tensor_split is 'a,b'; it must be numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(
    fields: dict[str, Any], field: str, sentence: str
) -> None:
    found = checked(**fields)
    assert found.spec is None
    assert [*found.problems] == [field]
    assert sentence in found.problems[field]
    assert KEY not in str(found)


def test_code_that_comes_with_a_model_needs_consent(tmp_path: Path) -> None:
    config = {"model_type": "chatglm", "architectures": ["ChatGLMModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = {"model_path": str(tmp_path)}
    refused = checked(settings=settings)
    assert "trust_remote_code" in refused.problems["model_path"]
    assert checked(settings=settings, parameters={"trust_remote_code": True}).spec


def test_a_reference_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNEL_NAME", "eager")
    found = checked(parameters={"attn_implementation": "${KERNEL_NAME}"})
    assert found.spec is not None
    assert found.spec.infer_params == {"attn_implementation": "${KERNEL_NAME}"}


def test_what_the_cluster_has_bounds_what_workers_reserve() -> None:
    cluster = ClusterRecord(address="here", cpus=Resources(4, 2), gpus=Resources(0, 0))
    world = World(this_machine().backends, cluster)
    wanted = checked(world, settings={"workers": "3", "cpus_per_worker": "2"})
    assert wanted.problems == {"cpus_per_worker": "3 workers want 6 CPUs, but the cluster has 4."}
    assert checked(world, settings={"gpus_per_worker": "1"}).problems == {
        "gpus_per_worker": "The worker wants 1 GPUs, but the cluster has 0."
    }
    waits = checked(world, settings={"cpus_per_worker": "3"})
    assert waits.problems == {}
    assert waits.notes["cpus_per_worker"] == "2 of 4 CPUs are free now: it will wait."
    assert in_words(world) == "1 node · 2 of 4 CPUs free · no GPUs"
    assert in_words(this_machine()).startswith("No cluster runs yet")


def test_a_name_that_is_taken_needs_replace() -> None:
    world = World(this_machine().backends, taken={"chat": "ready", "bad": "failed"})
    assert checked(world).problems == {
        "name": "'chat' is ready already; choose another name, or tick Replace."
    }
    assert checked(world, replace=True).spec
    assert checked(world, name="bad").spec


@pytest.mark.parametrize(
    ("name", "secret"),
    [("api_key", True), ("hf_token", True), ("saas.api_key", True), ("apikey", True),
     ("client-secret", True), ("token", True), ("max_tokens", False), ("tokenizer", False),
     ("stop_token_ids", False), ("key_cache", False), ("monkey", False)],
)  # fmt: skip
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert names_secret(name) is secret
    assert bool(refusal(name, "whatever")) is secret
    assert refusal(name, "${NAME}") == ""
    assert refusal(name, "") == ""


def test_keys_are_known_in_any_field() -> None:
    for key in (KEY, "hf_abcdefghijABCDEFGHIJ0123456789", "AKIAIOSFODNN7EXAMPLE", f"Bearer {KEY}"):
        assert "environment variable" in refusal("path", key)
        assert key not in refusal("path", key)
    for text in ("hf-internal-testing/tiny-random-llama", "/models/sk-1", "bundled", "auto"):
        assert refusal("path", text) == ""
    assert "${HF_TOKEN}" in refusal("hf_token", "x")


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_every_parameter_has_its_place(backend: str) -> None:
    infos = parameters_of(backend)
    basic, others = basic_first(infos)
    assert basic
    assert sorted(info.name for info in (*basic, *others)) == sorted(info.name for info in infos)


def test_an_engine_that_declares_nothing_has_no_parameters() -> None:
    assert list(parameters_of("tests.support.engines:CountingEngine")) == []
    assert family_types()[0] == "custom/auto"


def test_infos_of_another_model_type() -> None:
    chat: list[ParameterInfo] = [*parameters_of("transformers")]
    vectors: list[ParameterInfo] = [*parameters_of("transformers", "custom/bge")]
    assert chat != vectors


def test_a_providers_model_needs_no_path_and_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123456789abcdef")
    kind = {"pretrained_model_type": "saas/openai"}
    infos = parameters_of("transformers", "saas/openai")
    assert {"api_key", "model", "base_url"} <= {info.name for info in basic_first(infos)[0]}
    assert "saas/openai" in family_types()

    def look(**parameters: Any) -> Checked:
        draft = Draft(name="gpt", settings=kind, parameters=parameters)
        return check(draft, this_machine(), infos)

    found = look(api_key="${MY_KEY}", model="gpt-4o")
    assert found.problems == {}
    assert found.spec is not None
    assert found.spec.infer_params == {"api_key": "${MY_KEY}", "model": "gpt-4o"}
    assert "needs saas.api_key" in str(look(model="gpt-4o").problems)
    assert "environment variable" in look(api_key=KEY).problems["infer_params.api_key"]
