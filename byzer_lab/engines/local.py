"""What the engines of local models do alike."""

from __future__ import annotations

from byzer_lab.engines.base import EngineConfig, ReportProgress
from byzer_lab.errors import ByzerLabError, EngineError, describe

NOT_LOADED = "The model is not loaded, or was shut down."


class LocalEngine:
    """Loads a model, and lets what the library raises become one sentence.

    Args:
        config: What the engine is told.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def load(self, report: ReportProgress) -> None:
        """Load the model and run a first, tiny request through it.

        Raises:
            InvalidRequestError: The path, a parameter or the model can't be used.
            EngineError: Loading failed; the library's words are in the sentence.
        """
        try:
            self._load(report)
        except ByzerLabError:
            raise
        except Exception as error:
            words = f"{self._config.model_path!r} can't be served: {describe(error)}"
            raise EngineError(words) from error

    def _load(self, report: ReportProgress) -> None:
        """:meth:`load`, with whatever the library raises."""
        raise NotImplementedError
