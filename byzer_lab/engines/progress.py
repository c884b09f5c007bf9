"""The transformers library's progress bars as reports of loading."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from transformers.utils import logging as transformers_logging

from byzer_lab.engines.base import LoadProgress, ReportProgress


@contextlib.contextmanager
def weights_reported(report: ReportProgress) -> Iterator[None]:
    """Report the library's progress bars, which it would draw on the terminal."""

    def bar(_: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Bar:
        return _Bar(report, *args, **kwargs)

    previous = transformers_logging.set_tqdm_hook(bar)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)


class _Bar:
    """Stands in for a progress bar: reports in steps of a hundredth."""

    def __init__(
        self,
        report: ReportProgress,
        items: Any = None,
        total: int | None = None,
        desc: str | None = None,
        **_: Any,
    ) -> None:
        self._report = report
        self._items = items
        self._total = total if total is not None else len(items) if items is not None else 0
        self._phase = (desc or "loading weights").lower().rstrip(": ")
        self._done = 0.0
        self._told = 0.0

    def update(self, amount: float = 1) -> None:
        self._done += amount
        if self._total and self._done / self._total >= self._told + 0.01:
            self._told = self._done / self._total
            self._report(LoadProgress(self._phase, min(1.0, self._told)))

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            yield item
            self.update()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to clean up."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        # Everything else that a progress bar can do concerns the terminal.
        return lambda *_, **__: None
