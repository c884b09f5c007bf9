"""Every error that Byzer Lab raises on purpose.

An error carries one sentence for the person who sees it, a stable ``code`` for programs and the
HTTP ``status`` under which it travels. The same class is raised on the far side of the wire, so a
notebook cell sees what the worker saw.
"""

from __future__ import annotations

import traceback
from typing import Any, ClassVar


class ByzerLabError(Exception):
    """Base class. Raise a subclass.

    Args:
        message: One sentence: what was wrong, what was found, what to do.
        details: JSON-serialisable facts for programs (never a secret).
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        # Ray pickles exceptions between actors; keyword details would be lost by the default.
        return _rebuild, (type(self), self.message, self.details)

    def to_wire(self) -> dict[str, Any]:
        """The JSON form: ``{"code", "message", "details"}``."""
        return {"code": self.code, "message": self.message, "details": self.details}

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of printing a traceback; the cell still fails.
        return [f"{type(self).__name__}: {self.message}", *getattr(self, "__notes__", [])]


def _rebuild(kind: type[ByzerLabError], message: str, details: dict[str, Any]) -> ByzerLabError:
    return kind(message, **details)


class InvalidRequestError(ByzerLabError):
    """The caller's input is wrong; the sentence says which part and what is accepted."""

    code = "invalid_request"
    status = 400


class ContextLengthError(InvalidRequestError):
    """Prompt and answer do not fit into the model's context window."""

    code = "context_length"


class AuthenticationError(ByzerLabError):
    """The token is missing or is not this cluster's."""

    code = "unauthenticated"
    status = 401


class ModelNotFoundError(ByzerLabError):
    """No deployment has that name."""

    code = "model_not_found"
    status = 404


class NotFoundError(ByzerLabError):
    """An operation or a page that does not exist."""

    code = "not_found"
    status = 404


class ConflictError(ByzerLabError):
    """The request contradicts the present state, such as a name already taken."""

    code = "conflict"
    status = 409


class PermissionDeniedError(ByzerLabError):
    """Who asks is known, or needs no key, and may not do that."""

    code = "permission_denied"
    status = 403


class RateLimitError(ByzerLabError):
    """A key has used up its requests or tokens of a minute; ``retry_after_s`` says until when.

    Details: ``limit`` (``requests`` or ``tokens``) and ``retry_after_s``.
    """

    code = "rate_limit"
    status = 429


class QueueFullError(ByzerLabError):
    """Every slot and every waiting place of the worker is taken."""

    code = "queue_full"
    status = 429


class WorkerBusyError(QueueFullError):
    """Every slot of the worker is taken, and the request was not to wait for one."""

    code = "worker_busy"


class NotReadyError(ByzerLabError):
    """The deployment exists but has no worker that can answer now."""

    code = "not_ready"
    status = 503


class WorkerLostError(ByzerLabError):
    """The worker's process ended while it was answering."""

    code = "worker_lost"
    status = 502


class EngineError(ByzerLabError):
    """The engine failed; the sentence is the engine's own."""

    code = "engine"
    status = 500


class EngineDeadError(EngineError):
    """The engine failed and can answer nothing more; its worker is replaced."""

    code = "engine_dead"


class ProviderError(EngineError):
    """A provider failed, or what it answered can't be read.

    Details: ``provider``, and where they are known ``status`` (the provider's), ``said`` (its own
    words), ``kind`` (its own code), ``request_id`` and ``retry_after_s``.
    """

    code = "provider"
    status = 502


class ProviderAuthenticationError(ProviderError):
    """The provider doesn't accept the key, or the key may not use the model."""

    code = "provider_authentication"


class ProviderQuotaError(ProviderError):
    """The account has no money or quota left; waiting does not help."""

    code = "provider_quota"
    status = 402


class ProviderRateLimitError(ProviderError):
    """Too many requests or tokens in a time; ``retry_after_s`` says when to ask again."""

    code = "provider_rate_limit"
    status = 429


class ContentFilterError(ProviderError):
    """The provider refuses the question or the answer for what it says."""

    code = "content_filter"
    status = 400


class ProviderRequestError(ProviderError):
    """The provider refuses the request as wrong."""

    code = "provider_request"
    status = 400


class ProviderUnavailableError(ProviderError):
    """The provider can't be reached, is overloaded, or broke off."""

    code = "provider_unavailable"
    status = 503


class DeployFailedError(ByzerLabError):
    """A deployment did not become ready; the engine's own error is in the sentence."""

    code = "deploy_failed"
    status = 500


class DeployCancelledError(ByzerLabError):
    """A deployment was cancelled before it was ready."""

    code = "deploy_cancelled"
    status = 409


class ClusterError(ByzerLabError):
    """The cluster can't be started, found or reached."""

    code = "cluster"
    status = 503


def _subclasses(kind: type[ByzerLabError]) -> list[type[ByzerLabError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _subclasses(child))]


def from_wire(body: dict[str, Any]) -> ByzerLabError:
    """Rebuild the error that :meth:`ByzerLabError.to_wire` wrote."""
    kinds: dict[str, type[ByzerLabError]] = {}
    for known in _subclasses(ByzerLabError):  # parents first: they own a code that they share
        kinds.setdefault(known.code, known)
    kind = kinds.get(str(body.get("code")), ByzerLabError)
    return kind(str(body.get("message", "unknown error")), **(body.get("details") or {}))


def without_dot(sentence: str) -> str:
    """Another's sentence, to stand within one of ours."""
    return sentence.strip().rstrip(".")


def describe(error: BaseException) -> str:
    """One line that names a foreign exception: ``ValueError: bad shape``."""
    if isinstance(error, ByzerLabError):
        return error.message
    lines = traceback.format_exception_only(type(error), error)
    return " ".join("".join(lines).split())
