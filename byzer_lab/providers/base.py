"""What all providers share as engines.

A provider is an :class:`byzer_lab.engines.base.Engine` whose model is elsewhere. A new one is a
file here with a subclass of :class:`Provider`, a line in ``table.py`` and ``presets/NAME.json``.
The subclass adds what its model can do: ``generate``, ``embed``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from byzer_lab.content import expanded
from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.errors import EngineError, InvalidRequestError, ProviderError
from byzer_lab.generation import check_generation
from byzer_lab.providers.failures import failure, meaning, read_refusal
from byzer_lab.providers.presets import Preset, Structured, Task, find_preset
from byzer_lab.providers.settings import PREFIX, Settings, describe_settings, read_settings
from byzer_lab.providers.table import provider_name
from byzer_lab.providers.tools import wanted
from byzer_lab.schema import ParameterInfo
from byzer_lab.types import GenerateRequest, Message, ProviderFacts, Sampling, Usage

if TYPE_CHECKING:
    from byzer_lab.providers.http import Http

NOTHING: dict[str, tuple[Any, ...]] = {
    "top_k": (0, -1),
    "min_p": (0,),
    "repetition_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
}
"""Values of sampling parameters that ask for nothing, so that any provider takes them."""


class Provider:
    """One model of a provider.

    Args:
        config: What the deployment says.

    Attributes:
        type: ``saas/NAME``, for messages.
        name: ``NAME``.
        preset: What is known of the provider.
        settings: The deployment's parameters.
        model: The model that is asked.

    Raises:
        InvalidRequestError: A parameter is unknown, wrong or missing.
    """

    settings_class: ClassVar[type[Settings]] = Settings
    needs_key: ClassVar[bool] = True

    def __init__(self, config: EngineConfig) -> None:
        self.type = config.pretrained_model_type
        self.name = provider_name(self.type)
        self.preset: Preset = find_preset(self.name)
        self.settings = read_settings(self.settings_class, config.infer_params, self.type)
        self._concurrency = config.concurrency
        self._http: Http | None = None
        if self.needs_key:
            self.need("api_key", self.preset.key)
        self.model = self._model()
        self.check()

    @classmethod
    def choose(cls, name: str, infer_params: Mapping[str, Any]) -> type[Provider]:
        """The class for a deployment; a provider with several overrides it.

        Args:
            name: ``NAME`` of ``saas/NAME``.
            infer_params: Unchecked.
        """
        return cls

    @classmethod
    def parameters(cls) -> Sequence[ParameterInfo]:
        """See :meth:`byzer_lab.engines.base.Engine.parameters`."""
        return describe_settings(cls.settings_class)

    def need(self, parameter: str, variable: str) -> str:
        """The value of a setting that must be there.

        Args:
            parameter: Its name.
            variable: Environment variable that may hold it, for the message.

        Raises:
            InvalidRequestError: It is missing, or it is a secret that no request can carry.
        """
        value: str | None = getattr(self.settings, parameter)
        if value is None or not value.strip():
            raise InvalidRequestError(
                f"{self.type} needs {PREFIX}{parameter}; set {PREFIX}{parameter} = "
                f"${{{variable}}}, where {variable} is a variable of your environment.",
                parameter=parameter,
            )
        if not value.isascii() or not value.isprintable():
            raise InvalidRequestError(
                f"{PREFIX}{parameter} holds a line break or a character that no key has; copy it "
                "again.",
                parameter=parameter,
            )
        return value.strip()

    def check(self) -> None:
        """Refuse settings that don't go together, or are not enough; the address by default.

        Raises:
            InvalidRequestError: Something is missing.
        """
        _ = self.base_url

    def _model(self) -> str:
        model = self.settings.model or self.preset.model
        if not model:
            known = ", ".join(one.name for one in self.preset.models if "*" not in one.name)
            raise InvalidRequestError(
                f"{self.type} needs {PREFIX}model" + (f"; known are {known}." if known else "."),
                parameter="model",
            )
        return model

    @property
    def base_url(self) -> str:
        """Where the provider listens, without a slash at its end.

        Raises:
            InvalidRequestError: It depends on the account and was not given.
        """
        url = self.settings.base_url or self.preset.base_url
        if not url:
            raise InvalidRequestError(f"{self.type} needs {PREFIX}base_url.", parameter="base_url")
        return url.rstrip("/")

    @property
    def task(self) -> Task:
        """What its model does."""
        return self.preset.task(self.model)

    @property
    def abilities(self) -> Preset:
        """What is known of tools and schemas."""
        return self.preset

    def takes_tools(self, model: str) -> bool:
        """Whether a model can be given tools."""
        return self.task == "chat" and self.abilities.takes_tools(model)

    def structured(self, model: str) -> Structured:
        """How a model's answers are held to schemas; empty: not at all."""
        return self.abilities.holds(model) if self.task == "chat" else ""

    @property
    def hint(self) -> str:
        """What to say where the provider doesn't know an address."""
        return ""

    def key_headers(self) -> dict[str, str]:
        """The header with the key."""
        key = self.need("api_key", self.preset.key)
        return {self.preset.key_header: f"{self.preset.key_prefix}{key}"}

    # -- life -------------------------------------------------------------------------------

    def load(self, report: ReportProgress) -> None:
        """Make what connects; nothing is sent. See :meth:`byzer_lab.engines.base.Engine.load`."""
        from byzer_lab.providers.http import Http

        report(LoadProgress("preparing the connection"))
        self._http = Http(
            self.type,
            self.settings,
            self.base_url,
            self.preset.codes,
            self._concurrency,
            self.hint,
        )

    @property
    def http(self) -> Http:
        """The connection.

        Raises:
            EngineError: It is not made yet, or closed.
        """
        if self._http is None:
            raise EngineError(f"{self.type} is not loaded, or was closed.")
        return self._http

    def meta(self) -> dict[str, Any]:
        """See :meth:`byzer_lab.engines.base.Engine.meta`."""
        known = self.preset.find(self.model)
        chats = self.task == "chat"
        meta: dict[str, Any] = {
            "model_deploy_type": "saas",
            "backend": "saas",
            "provider": self.preset.title,
            "model_name": self.model,
            "task": self.task,
            "max_model_len": known.context if known else None,
            "architectures": [],
            "support_stream": self.task in ("chat", "speech"),
            "support_chat_template": chats,
            "support_images": chats and self.preset.images,
            "support_tools": self.takes_tools(self.model),
            "embedding_mode": self.task == "embedding",
            "documentation": self.preset.page,
        }
        if structured := self.structured(self.model):
            meta["structured_output"] = structured
        if known and known.input_price is not None:
            meta["price"] = {
                "input": known.input_price,
                "output": known.output_price,
                "per_tokens": 1_000_000,
                "currency": self.preset.currency,
                "as_of": self.preset.prices_of,
            }
        return meta

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- requests ---------------------------------------------------------------------------

    def conversation(self, request: GenerateRequest) -> list[Message]:
        """The messages of a request, pictures as parts.

        Raises:
            InvalidRequestError: It is a prompt, it names an adapter, or its pictures can't be seen.
        """
        if request.adapter is not None:
            raise InvalidRequestError(f"{self.type} has no adapters; leave the adapter out.")
        if request.messages is None:
            raise InvalidRequestError(
                f"{self.type} takes conversations, not prompts; leave out the template, the role "
                "mapping or --completion."
            )
        if self.task != "chat":
            wanted(self, request)  # refuses tools and schemas
        messages = [expanded(message) for message in request.messages]
        if not self.preset.images and any(message.images for message in messages):
            raise InvalidRequestError(f"{self.type} can't see pictures; leave the images out.")
        return messages

    def sampling(self, sampling: Sampling) -> dict[str, Any]:
        """What a caller set, under the provider's names, without ``options`` and ``logprobs``.

        Raises:
            InvalidRequestError: A value is out of its bounds, or the provider doesn't take it.
        """
        check_generation(sampling)
        known = self.preset.find(self.model)
        names = {**self.preset.sampling, **(known.rename if known else {})}
        given: dict[str, Any] = {}
        for field in msgspec.structs.fields(Sampling):
            value = getattr(sampling, field.name)
            unset = value is None or value is False or value == []  # 0 and 0.0 are set
            if field.name in ("options", "logprobs") or unset:
                continue
            if field.name in names:
                given[names[field.name]] = value
            elif value not in NOTHING.get(field.name, ()):
                raise InvalidRequestError(
                    f"{self.type} has no {field.name}; leave it out (it takes {', '.join(names)})."
                )
        return given

    def refuse_logprobs(self, sampling: Sampling) -> None:
        """Refuse a request for probabilities, where the provider tells none.

        Raises:
            InvalidRequestError: They were asked for.
        """
        if sampling.logprobs is not None:
            raise InvalidRequestError(f"{self.type} tells no logprobs; leave them out.")

    def options(self, sampling: Sampling) -> dict[str, Any]:
        """The provider's own parameters that a caller set; ``model`` is not in it.

        Raises:
            InvalidRequestError: The provider doesn't have one of them.
        """
        given = dict(sampling.options)
        extra = given.pop("extra", {})
        given.pop("model", None)
        for name in given:
            if name not in self.preset.options:
                takes = ", ".join(self.preset.options) or "none of these"
                raise InvalidRequestError(
                    f"{self.type} has no {name}; it takes {takes}. What it knows beside can be "
                    "given in extra_body."
                )
        return {**given, **extra}

    def refusal(self, body: dict[str, Any], facts: ProviderFacts) -> ProviderError:
        """The error for a refusal that came as an answer.

        Args:
            body: Which says what is wrong.
            facts: Of the answer.
        """
        kind, said = read_refusal(body)
        kind = meaning(kind, self.preset.codes)
        return failure(self.type, 0, said, kind=kind, request_id=facts.request_id)

    def usage(
        self,
        facts: ProviderFacts,
        input_tokens: int,
        output_tokens: int,
        *,
        model: str = "",
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> Usage:
        """The usage of an answer, with its estimated price.

        Args:
            facts: Of the answer; ``cost`` and ``currency`` are filled in.
            input_tokens: All tokens of the prompt.
            output_tokens: All tokens generated, thoughts included.
            cached_tokens: Of the prompt's, those that the provider had kept.
            reasoning_tokens: Of those generated, thoughts.
            model: Which one was asked, where it isn't the deployment's.
        """
        usage = Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            reasoning_tokens=reasoning_tokens,
            provider=facts,
        )
        facts.model = facts.model or self.model
        facts.cost = self.preset.cost(model or self.model, usage)
        facts.currency = self.preset.currency if facts.cost is not None else ""
        return usage
