"""OpenAI's wire format, which most providers speak.

==================  =============================================================================
``engine.py``       the engine: address, key, and which of the four its model needs
``chat.py``         ``chat/completions``, streamed
``tools.py``        tools and schemas of a chat
``embeddings.py``   ``embeddings``
``speech.py``       ``audio/speech``
``images.py``       ``images/generations``
``variants.py``     providers with parameters or addresses of their own
``qianfan.py``      Baidu Qianfan, whose keys buy tokens
==================  =============================================================================

Written from https://platform.openai.com/docs/api-reference, and the page that each preset names.
"""

from byzer_lab.providers.openai_wire.engine import OpenAIWire
from byzer_lab.providers.openai_wire.qianfan import Qianfan
from byzer_lab.providers.openai_wire.variants import (
    AzureOpenAI,
    Baichuan,
    ChatGLM,
    MiniMax,
    SparkHTTP,
)

__all__ = [
    "AzureOpenAI",
    "Baichuan",
    "ChatGLM",
    "MiniMax",
    "OpenAIWire",
    "Qianfan",
    "SparkHTTP",
]
