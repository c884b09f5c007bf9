"""Finds the model before anything heavy is imported, so that a wrong path fails at once."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from byzer_lab.errors import EngineError, InvalidRequestError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_TIMEOUT_S = 10.0
ADAPTER = "adapter_config.json"
"""By this file an adapter's folder is known."""
PIPELINE = "model_index.json"
"""By this file a folder is known in which several models make a pipeline that draws."""
BASE = "pretrained_model"
"""Where a finetuning job puts the base model, inside the adapter's folder."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model is.

    Attributes:
        name: What the library is given: a folder or a hub id.
        on_hub: It is a hub id.
        offline: The hub is not to be asked: a folder, or a hub model that was downloaded before.
        adapter: Folder of a trained adapter that changes the model.
    """

    name: str
    on_hub: bool
    offline: bool
    adapter: str | None = None


def find_model(
    model_path: str, marks: tuple[str, ...] = ("config.json",), *, adapters: bool = False
) -> ModelSource:
    """Decide what a model path means.

    Args:
        model_path: A folder, or a hub id such as ``org/name``.
        marks: Files by one of which a model's folder is known; the hub is asked for the last one.
        adapters: The folder may also hold an adapter, whose base model is found then.

    Raises:
        InvalidRequestError: No such folder, or no model in it, or the hub has no such model.
        EngineError: The hub can't be reached and the model was never downloaded.
    """
    folder = Path(model_path).expanduser()
    if (folder / ADAPTER).is_file():
        if not adapters:
            raise InvalidRequestError(
                f"The folder {str(folder)!r} holds an adapter, not a whole model; only chat models "
                "of the transformers backend can be deployed so. Give the base model's path, or "
                "merge the adapter into it."
            )
        return _with_base(folder)
    if folder.exists():
        _check_folder(folder, marks)
        return ModelSource(str(folder), on_hub=False, offline=True)
    if _HUB_ID.fullmatch(model_path):
        return _ask_hub(model_path, marks[-1])
    raise InvalidRequestError(
        f"There is no folder {str(folder.absolute())!r}. A model path is a folder with a "
        f"{marks[-1]}, or a hub id, which looks like org/name.",
        model_path=model_path,
    )


def find_adapter(name: str, folder: str) -> Path:
    """Folder of an adapter that PEFT saved.

    Args:
        name: What the deployment calls it.
        folder: Where the deployment says it is.

    Raises:
        InvalidRequestError: There is none.
    """
    path = Path(folder).expanduser()
    if not (path / ADAPTER).is_file():
        missing = f"has no {ADAPTER}" if path.is_dir() else "does not exist"
        raise InvalidRequestError(f"The folder {str(path)!r} of the adapter {name!r} {missing}.")
    return path


def refuse_gguf(path: Path) -> None:
    """Refuse a GGUF file, or a folder that holds nothing else of a model.

    Raises:
        InvalidRequestError: Names the backend for it.
    """
    marks = ("config.json", "modules.json", ADAPTER)
    alone = path.is_dir() and not any((path / mark).is_file() for mark in marks)
    if path.suffix == ".gguf" or (alone and any(path.glob("*.gguf"))):
        raise InvalidRequestError(
            f"{str(path)!r} is a GGUF model, which the llama_cpp backend serves; the transformers "
            "library needs the folder with the model's config.json."
        )


def base_of(folder: Path) -> str:
    """The base model of an adapter's folder: a folder inside, or what its file names.

    Raises:
        InvalidRequestError: The file is broken or names none.
    """
    inside = folder / BASE
    if inside.is_dir():
        return str(inside)
    try:
        name = json.loads((folder / ADAPTER).read_bytes()).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidRequestError(
            f"{str(folder / ADAPTER)!r} can't be read as JSON: {error}."
        ) from error
    if not name:
        raise InvalidRequestError(
            f"The adapter {str(folder)!r} doesn't name its base model. Put it into a folder "
            f"{BASE!r} inside, or write base_model_name_or_path into {ADAPTER}."
        )
    beside = folder / str(name)
    return str(beside) if beside.is_dir() else str(name)


def _with_base(folder: Path) -> ModelSource:
    base = base_of(folder)
    try:
        source = find_model(base)
    except (InvalidRequestError, EngineError) as error:
        raise type(error)(
            f"The base model of the adapter {str(folder)!r} is missing: {error.message}"
        ) from error
    return replace(source, adapter=str(folder))


def _check_folder(folder: Path, marks: tuple[str, ...]) -> None:
    refuse_gguf(folder)
    if not folder.is_dir():
        raise InvalidRequestError(
            f"{str(folder)!r} is a file; the transformers backend needs the model's folder."
        )
    found = [folder / mark for mark in marks if (folder / mark).is_file()]
    if not found:
        names = sorted(entry.name for entry in folder.iterdir())
        there = f"it holds {', '.join(names[:5])}" if names else "it is empty"
        more = " and more" if len(names) > 5 else ""
        library = "diffusers" if PIPELINE in marks else "transformers"
        raise InvalidRequestError(
            f"The folder {str(folder)!r} has no {' and no '.join(marks)}, so it is no model of "
            f"the {library} library: {there}{more}."
        )
    for mark in found:
        try:
            json.loads(mark.read_bytes())
        except ValueError as error:
            raise InvalidRequestError(f"{str(mark)!r} is no valid JSON: {error}.") from error


def _ask_hub(hub_id: str, mark: str) -> ModelSource:
    """One short question, because the library retries for half a minute without a network."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    reason = "HF_HUB_OFFLINE is set"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() not in ("1", "ON", "YES", "TRUE"):
        try:
            answer = httpx.head(
                f"{endpoint}/{hub_id}/resolve/main/{mark}",
                headers=_authorization(),
                timeout=_HUB_TIMEOUT_S,
            )
        except httpx.HTTPError as error:
            reason = f"{endpoint} can't be reached ({error})"
        else:
            _check_answer(hub_id, answer.status_code, endpoint, mark)
            return ModelSource(hub_id, on_hub=True, offline=False)
    if _downloaded_before(hub_id, mark):
        return ModelSource(hub_id, on_hub=True, offline=True)
    raise EngineError(
        f"There is no folder {hub_id!r}, and as a hub id it can't be downloaded: {reason}. "
        "Give the path of a local folder, or use 'bundled'.",
        model_path=hub_id,
    )


def _authorization() -> dict[str, str]:
    from huggingface_hub import get_token

    token = get_token()
    return {"authorization": f"Bearer {token}"} if token else {}


def _check_answer(hub_id: str, status: int, endpoint: str, mark: str) -> None:
    if status in (401, 403):
        raise InvalidRequestError(
            f"{endpoint} doesn't let this account read {hub_id!r}, or there is no such model. "
            "Set HF_TOKEN to a token that may."
        )
    if status == 404:
        raise InvalidRequestError(
            f"There is no folder {hub_id!r}, and {endpoint} has no model of that name with a "
            f"{mark}."
        )


def _downloaded_before(hub_id: str, mark: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, mark), str)
