"""``sft``, ``pretrain``, ``merge_lora`` and the other calls that begin jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from byzer_lab.client.lifecycle import Lifecycle
from byzer_lab.client.training.gateway import path_to_be
from byzer_lab.client.training.job import Job
from byzer_lab.client.training.keys import Reserved, build, kind_of, spec_of, user
from byzer_lab.client.training.staging import discard, new_folder, stage
from byzer_lab.config import absolute_path
from byzer_lab.jobs import PATH_PREFIX, JobRecord, JobSpec, default_name
from byzer_lab.secrets import collect

_TARGETS = ("save_path", "savePath", "local_target_path")


class TrainingCalls(Lifecycle):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def train(
        self,
        kind: str,
        *,
        name: str = "",
        model_path: str = "",
        data: Any = None,
        parameters: Mapping[str, Any] | None = None,
        model_type: str = "",
        path_prefix: str = "",
        workers: int | None = None,
        num_gpus: float = 0.0,
        num_cpus: float = 0.0,
        gpus_per_worker: float | None = None,
        cpus_per_worker: float | None = None,
        resources: Mapping[str, float] | None = None,
        max_attempts: int = 5,
        replace: bool = False,
        detached: bool = True,
        progress: Callable[[JobRecord], None] | None = None,
    ) -> Job:
        """Begin a job of any kind; it goes on without this process.

        Args:
            kind: ``sft``, ``dpo``, ``sfft``, ``merge``, ``convert`` or ``evaluate``; or
                ``module:function``, training code of your own.
            name: Its name; default: one with the time in it.
            model_path: Folder of the model to begin with, a hub id, or ``bundled``.
            data: Rows: the path of a file or folder, a list, a DataFrame or an Arrow table.
            parameters: The kind's own (docs/training.md); ``${NAME}`` refers to an environment
                variable.
            model_type: The model's family, such as ``sft/llama2``; default: detected.
            path_prefix: Where the job has its folder; default ``/tmp/byzerllm``.
            workers: Processes that train together; default: one for each GPU.
            num_gpus: GPUs in all.
            num_cpus: CPUs in all.
            gpus_per_worker: GPUs of each process instead.
            cpus_per_worker: CPUs of each process instead.
            resources: Other Ray resources of each process.
            max_attempts: So many attempts in a row may be lost without getting further.
            replace: Forget a job of that name that has ended.
            detached: Return at once; else wait for the end, as :meth:`Job.wait` does.
            progress: Of that wait: called with each change.

        Raises:
            InvalidRequestError: Something is wrong; nothing was begun.
            ConflictError: The name is taken.
        """
        reserved = Reserved(
            *(workers, num_gpus, num_cpus, cpus_per_worker, gpus_per_worker),
            resources=dict(resources or {}),
        )
        owner = user()
        fields = {
            "kind": kind,
            "name": name or default_name(kind, owner),
            "model_path": model_path,
            "model_type": model_type or "sft/auto",
            "path_prefix": path_prefix or PATH_PREFIX,
            "parameters": dict(parameters or {}),
            "owner": owner,
            "max_attempts": max_attempts,
            **reserved.fields(kind),
        }
        job = self.begin(build(fields), data, replace=replace)
        if not detached:
            job.wait(progress)
        return job

    def begin(
        self, spec: JobSpec, data: Any = None, *, parts: int | None = None, replace: bool = False
    ) -> Job:
        """Begin a job.

        Args:
            spec: What to do.
            data: Its rows, where the spec does not name them; see :meth:`train`.
            parts: In how many parts rows are written down; default: of a pretraining one for each
                worker.
            replace: Forget a job of that name that has ended.
        """
        gateway = self._session.gateway
        secrets = collect(spec.parameters)
        parameters = {name: _absolute(name, value) for name, value in spec.parameters.items()}
        spec = msgspec.structs.replace(
            spec, name=spec.name or default_name(spec.kind, spec.owner), parameters=parameters
        )
        if data is None or isinstance(data, str | os.PathLike):
            path = spec.data_path if data is None else os.fspath(data)
            spec = msgspec.structs.replace(spec, data_path=path)
            return Job(self, gateway.submit_job(spec, secrets=secrets, replace=replace))
        spec.check()
        folder = spec.folder or new_folder(spec.path_prefix, spec.name)
        if parts is None:
            parts = spec.workers if spec.kind == "sfft" else 0
        rows = stage(data, folder, parts)
        spec = msgspec.structs.replace(spec, folder=folder, data_path=rows)
        try:
            return Job(self, gateway.submit_job(spec, secrets=secrets, replace=replace))
        except BaseException:
            discard(folder)
            raise

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        records = self._session.gateway.state().jobs
        return [Job(self, r) for r in sorted(records, key=lambda r: -r.created_at)]

    def job(self, name: str) -> Job:
        """One job.

        Raises:
            NotFoundError: There is none of that name.
        """
        return Job(self, self._session.gateway.job(name))

    # -- by Byzer-LLM's names -------------------------------------------------------------------

    def sft(
        self,
        sft_name: str = "",
        local_data_dir_path: Any = None,
        local_model_path: str = "",
        local_stage_path: str = "",
        pretrained_model_type: str = "sft/auto",
        num_cpus: float = 0.0,
        num_gpus: float = 0.0,
        detached: bool = True,
        json_config: str | Mapping[str, Any] = "{}",
        model_params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Job:
        """Finetune a model on questions and answers.

        Args:
            sft_name: Name of the job; default: one with the time in it.
            local_data_dir_path: The rows: a path, or rows themselves; see :meth:`train`.
            local_model_path: Folder of the model, a hub id, or ``bundled``.
            local_stage_path: Where the job has its folder; default ``/tmp/byzerllm``.
            pretrained_model_type: The model's family; ``sft/auto`` detects it.
            num_cpus: CPUs in all.
            num_gpus: GPUs in all: one process for each.
            detached: Return at once; else wait for the end, as :meth:`Job.wait` does.
            json_config: Arguments of the trainer as JSON.
            model_params: Parameters, also as ``sft.int.max_seq_length``; they go before.
            more: See :meth:`train`.

        Raises:
            InvalidRequestError: Something is wrong; nothing was begun.
        """
        return self.train(
            "sft",
            name=sft_name,
            model_path=local_model_path,
            data=local_data_dir_path,
            parameters={**_config("config", json_config), **(model_params or {})},
            model_type=pretrained_model_type,
            path_prefix=local_stage_path,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            detached=detached,
            **more,
        )

    def pretrain(
        self,
        name: str = "",
        local_data_dir_path: Any = None,
        local_model_path: str = "",
        local_stage_path: str = "",
        pretrained_model_type: str = "sfft/auto",
        num_cpus: float = 0.0,
        num_gpus: float = 0.0,
        detached: bool = True,
        json_config: str | Mapping[str, Any] = "{}",
        model_params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Job:
        """Train all weights on plain text with DeepSpeed.

        Args:
            json_config: DeepSpeed's configuration as JSON; empty: see docs/training.md.
            model_params: Parameters, also as ``sfft.int.max_length``.
            name, local_data_dir_path, local_model_path, local_stage_path: See :meth:`sft`.
            pretrained_model_type, num_cpus, num_gpus, detached, more: See :meth:`sft`.
        """
        return self.train(
            "sfft",
            name=name,
            model_path=local_model_path,
            data=local_data_dir_path,
            parameters={**_config("deepspeedConfig", json_config), **(model_params or {})},
            model_type=pretrained_model_type,
            path_prefix=local_stage_path,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            detached=detached,
            **more,
        )

    def dpo(self, name: str = "", data: Any = None, model_path: str = "", **more: Any) -> Job:
        """Train a model on preferred and rejected answers; see :meth:`train`."""
        return self.train("dpo", name=name, data=data, model_path=model_path, **more)

    def evaluate(self, name: str = "", data: Any = None, model_path: str = "", **more: Any) -> Job:
        """Compare a base and what was tuned of it on held-out rows.

        The comparison is the job's ``result``; with ``detached=False`` it is there at once:
        ``llm.evaluate(..., detached=False).record.result``. See :meth:`train`.
        """
        return self.train("evaluate", name=name, data=data, model_path=model_path, **more)

    def merge_lora(
        self,
        name: str = "",
        local_model_path: str = "",
        local_adpator_model_path: str | list[str] = "",
        local_target_path: str = "",
        **more: Any,
    ) -> str:
        """Merge an adapter, or several, into the model that they were trained on, and wait.

        Args:
            name: Name of the job.
            local_model_path: The base.
            local_adpator_model_path: The adapter's folder, or a list of such.
            local_target_path: Folder for the merged model; default: in the job's folder.
            more: See :meth:`train`.

        Returns:
            Folder of the merged model.

        Raises:
            EngineError: The merged model says something else than base and adapter; nothing is
                saved.
        """
        given = {**more.pop("parameters", {}), "adapters": local_adpator_model_path}
        if local_target_path:
            given["save_path"] = local_target_path
        more = {"detached": False, **more}
        job = self.train("merge", name=name, model_path=local_model_path, parameters=given, **more)
        return job.path

    def raw_sft(self, train_params: Mapping[str, Any], **reserved: Any) -> Job:
        """Begin a finetuning that is written as in SQL: ``localModelDir``, ``data_dir``,
        ``sft.int.max_seq_length`` and so on.

        Args:
            train_params: The keys.
            reserved: ``num_gpus``, ``num_cpus``, ``workers`` ...: see :meth:`train`.
        """
        return self._raw("finetune", "sft/auto", train_params, reserved)

    def raw_pretrain(self, train_params: Mapping[str, Any], **reserved: Any) -> Job:
        """Begin a pretraining that is written as in SQL; see :meth:`raw_sft`."""
        return self._raw("finetune", "sfft/auto", train_params, reserved)

    def raw_merge_lora(self, train_params: Mapping[str, Any], **reserved: Any) -> Job:
        """Begin a merge that is written as in SQL; see :meth:`raw_sft`."""
        return self._raw("merge", "lora/auto", train_params, reserved)

    def raw_deepspeed_to_huggingface(self, train_params: Mapping[str, Any], **reserved: Any) -> Job:
        """Begin the conversion of a DeepSpeed checkpoint that is written as in SQL; see
        :meth:`raw_sft`."""
        return self._raw("convert", "deepspeed/auto", train_params, reserved)

    def _raw(
        self, action: str, family: str, given: Mapping[str, Any], reserved: Mapping[str, Any]
    ) -> Job:
        family = str(given.get("pretrainedModelType") or family)
        spec = spec_of(kind_of(action, family), given, Reserved(**reserved))
        return self.begin(spec, replace=str(given.get("replace", "")).lower() == "true")


def _config(name: str, config: str | Mapping[str, Any]) -> dict[str, Any]:
    text = config if isinstance(config, str) else json.dumps(dict(config))
    return {} if text.strip() in ("", "{}") else {name: text}


def _absolute(name: str, value: Any) -> Any:
    """A parameter; a path in it is this process's, as the job's working directory is another."""
    if isinstance(value, list):
        return [_absolute(name, item) for item in value]
    if not isinstance(value, str) or not value:
        return value
    return path_to_be(value) if name in _TARGETS else absolute_path(value)
