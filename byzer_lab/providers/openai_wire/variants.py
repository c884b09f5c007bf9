"""Providers of OpenAI's wire format that have parameters or addresses of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.providers.base import Provider
from byzer_lab.providers.openai_wire.engine import OpenAIWire, WireSettings
from byzer_lab.providers.settings import PREFIX
from byzer_lab.providers.table import load_class
from byzer_lab.schema import parameter

AZURE_VERSION = "2024-10-21"


@dataclass(frozen=True)
class AzureSettings(WireSettings):
    """Azure's: by the names of its old library and of its new one."""

    base_url: str | None = parameter(
        None, "Address that ends in /openai/v1, of resources with the interface without versions."
    )
    azure_endpoint: str | None = parameter(
        None,
        "Address of the resource, such as https://NAME.openai.azure.com.",
        aliases=("api_base", "endpoint"),
    )
    azure_deployment: str | None = parameter(
        None, "Name that the model has in the resource.", aliases=("deployment_id",)
    )
    api_version: str | None = parameter(
        None, f"Version of the interface; {AZURE_VERSION} where it needs one."
    )
    api_type: str = parameter(
        "azure", "How the key is sent.", choices=("azure", "azure_ad", "azuread")
    )


class AzureOpenAI(OpenAIWire):
    """OpenAI's models in an Azure resource.

    https://learn.microsoft.com/azure/ai-services/openai/reference
    """

    settings_class = AzureSettings
    settings: AzureSettings

    def _model(self) -> str:
        model = self.settings.model or self.settings.azure_deployment
        if not model:
            raise InvalidRequestError(
                f"{self.type} needs saas.azure_deployment (also saas.deployment_id), the name that "
                "the model has in your resource.",
                parameter="azure_deployment",
            )
        return model

    @property
    def base_url(self) -> str:
        """Where the deployment listens."""
        if self.settings.base_url:
            return super().base_url
        endpoint = self.settings.azure_endpoint
        if not endpoint or "://" not in endpoint:
            raise InvalidRequestError(
                f"{self.type} needs saas.azure_endpoint (also saas.api_base), such as "
                "https://NAME.openai.azure.com.",
                parameter="azure_endpoint",
            )
        deployment = self.settings.azure_deployment or self.model
        return f"{endpoint.rstrip('/')}/openai/deployments/{deployment}"

    def params(self) -> dict[str, str] | None:
        """The interface's version."""
        version = self.settings.api_version
        if version is None and self.settings.base_url:
            return None
        return {"api-version": version or AZURE_VERSION}

    def key_headers(self) -> dict[str, str]:
        """The header with the key, or with a token of Microsoft Entra ID."""
        if self.settings.api_type == "azure":
            return super().key_headers()
        return {"Authorization": f"Bearer {self.need('api_key', self.preset.key)}"}


@dataclass(frozen=True)
class BaichuanSettings(WireSettings):
    """Baichuan's."""

    base_url: str | None = parameter(
        None,
        "Where the provider listens, instead of its own place.",
        aliases=("api_base", "api_url", "baichuan_api_url"),
    )


class Baichuan(OpenAIWire):
    """Baichuan: chat and vectors."""

    settings_class = BaichuanSettings


@dataclass(frozen=True)
class ChatGLMSettings(WireSettings):
    """Of ChatGLM's first interface."""

    public_key: str | None = parameter(
        None, "Of the first interface, which is gone; the present one needs the key alone."
    )


class ChatGLM(OpenAIWire):
    """Zhipu's models under the name of Byzer-LLM's first adapter."""

    settings_class = ChatGLMSettings


@dataclass(frozen=True)
class MiniMaxSettings(WireSettings):
    """MiniMax's."""

    group_id: str | None = parameter(None, "Group of the account, for keys that don't name it.")


class MiniMax(OpenAIWire):
    """MiniMax: chat."""

    settings_class = MiniMaxSettings
    settings: MiniMaxSettings

    @classmethod
    def choose(cls, name: str, infer_params: Mapping[str, Any]) -> type[Provider]:
        """Speech, and the address of the old interface, have formats of their own."""
        given = {key.removeprefix(PREFIX): str(value) for key, value in infer_params.items()}
        if given.get("model", "").startswith("speech-"):
            return load_class("byzer_lab.providers.minimax:MiniMaxSpeech")
        url = given.get("api_url") or given.get("base_url") or ""
        if url.rstrip("/").endswith("/chatcompletion_pro"):
            return load_class("byzer_lab.providers.minimax:MiniMaxPro")
        return cls

    def params(self) -> dict[str, str] | None:
        """The group."""
        return {"GroupId": self.settings.group_id} if self.settings.group_id else None


@dataclass(frozen=True)
class SparkSettings(WireSettings):
    """Spark's over HTTP."""

    api_key: str | None = parameter(
        None, "The APIPassword of the console.", aliases=("api_password",)
    )
    model: str | None = parameter(
        None, "The model, such as generalv3.5 or 4.0Ultra.", aliases=("domain",)
    )


class SparkHTTP(OpenAIWire):
    """Spark over HTTP."""

    settings_class = SparkSettings
    tool_switch = "tool_calls_switch"
