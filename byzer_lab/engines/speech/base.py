"""What engines that listen and engines that speak do alike: one thread for the model."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from byzer_lab.engines.answering import refuse_adapter
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.engines.folder import ModelSource, find_model
from byzer_lab.engines.local import NOT_LOADED, LocalEngine
from byzer_lab.engines.speech.parameters import Parameters
from byzer_lab.errors import ByzerLabError, EngineDeadError, EngineError, describe
from byzer_lab.schema import read_parameters
from byzer_lab.types import GenerateRequest

T = TypeVar("T")


class SpeechEngine(LocalEngine):
    """Loads a model and runs it on one thread; parts of several requests take turns.

    Args:
        config: What the engine is told.

    Raises:
        InvalidRequestError: A parameter is unknown or doesn't fit.
    """

    kind: type[Parameters]

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self._parameters: Any = read_parameters(self.kind, config.infer_params, "transformers")
        self._thread: ThreadPoolExecutor | None = None
        self._threads = 0
        self._ends: set[threading.Event] = set()

    def _load(self, report: ReportProgress) -> None:
        source = find_model(self._config.model_path)
        report(LoadProgress("importing"))
        try:
            import soundfile  # noqa: F401
        except (ImportError, OSError) as error:
            raise EngineError(
                f"Models of speech need the library soundfile ({describe(error)}); install "
                "byzer-lab[audio]."
            ) from error
        from byzer_lab.engines.precision import set_threads

        self._threads = set_threads(self._parameters.num_threads)
        self._load_model(source, report)
        report(LoadProgress("warming up"))
        self._warm_up()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="speech")

    def _load_model(self, source: ModelSource, report: ReportProgress) -> None:
        raise NotImplementedError

    def _warm_up(self) -> None:
        raise NotImplementedError

    @contextlib.contextmanager
    def _answering(self, request: GenerateRequest) -> Iterator[threading.Event]:
        """Around one request; the event is set when nobody waits for it any more."""
        if self._thread is None:
            raise EngineError(NOT_LOADED)
        refuse_adapter(request)
        end = threading.Event()
        self._ends.add(end)
        try:
            yield end
        finally:
            end.set()
            self._ends.discard(end)

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something on the model's thread, its failures in our words."""
        thread = self._thread
        if thread is None:
            raise EngineError("The model was shut down.")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)
        except (ByzerLabError, asyncio.CancelledError):
            raise
        except Exception as error:
            from torch import AcceleratorError

            from byzer_lab.engines.speech.stopping import StoppedError

            if isinstance(error, StoppedError):
                raise EngineError("The model was shut down.") from None
            if isinstance(error, AcceleratorError):
                raise EngineDeadError(f"The GPU failed: {describe(error)}") from error
            raise EngineError(f"The model failed: {describe(error)}") from error

    async def close(self) -> None:
        """End what is running and the model's thread, and free the memory."""
        thread, self._thread = self._thread, None
        for end in list(self._ends):
            end.set()
        if thread is not None:
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)
        self._drop_model()

    def _drop_model(self) -> None:
        raise NotImplementedError
