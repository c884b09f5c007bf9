"""Every type of model that Byzer-LLM knows, and what becomes of it today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["native", "mapped", "remote code", "gone"]
"""What it takes to load a family: nothing, a translation of its files by Byzer Lab, Python code
that comes with the model, or an older library."""

AUTO = "custom/auto"
EMBEDDING = "byzer_lab.engines.sentence_transformers:EmbeddingEngine"
RERANK = "byzer_lab.engines.sentence_transformers:RerankEngine"
DRAWING = "byzer_lab.engines.diffusers:DiffusersEngine"
LISTENING = "byzer_lab.engines.speech:ListeningEngine"
SPEAKING = "byzer_lab.engines.speech:SpeakingEngine"


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        type: Its ``pretrained_model_type``, as Byzer-LLM writes it.
        title: For people.
        state: What it takes to load it.
        loader: Class that loads it.
        note: What to know before a deploy; of a family that can't be loaded, why, and what to do.
        kinds: Values of ``model_type`` in config.json that belong to it; empty where the loader
            itself looks.
        also: Further ones that a deploy of this type may have.
        engine: Of the transformers backend, where it isn't the one for chat, as ``module:Class``.
        aliases: Other types that mean it.
    """

    type: str
    title: str
    state: State
    loader: str
    note: str = ""
    kinds: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    engine: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def served(self) -> bool:
        """Whether a deploy can succeed."""
        return self.state != "gone"


_OLD_CODE = "written for transformers 4: whether it runs on version 5 depends on the copy"

FAMILIES: tuple[Family, ...] = (
    Family(
        AUTO,
        "Found out from the model's folder",
        "native",
        "the class that config.json names",
        "Reads config.json and never runs code to find out.",
    ),
    Family(
        "custom/llama2",
        "Llama and what was made from it, such as Vicuna",
        "native",
        "LlamaForCausalLM",
        kinds=("llama",),
        aliases=("llama", "custom/llama3"),
    ),
    Family(
        "custom/zephyr",
        "Zephyr and Mistral",
        "native",
        "MistralForCausalLM",
        kinds=("mistral", "gemma", "stablelm"),
        aliases=("custom/mistral",),
    ),
    Family(
        "falcon",
        "Falcon",
        "native",
        "FalconForCausalLM",
        "Its first copies (RefinedWeb) are translated.",
        kinds=("falcon", "RefinedWeb", "RefinedWebModel"),
    ),
    Family(
        "dolly",
        "Dolly",
        "native",
        "GPTNeoXForCausalLM",
        "The first version is a GPT-J, whose requests run one at a time.",
        kinds=("gpt_neox", "gptj"),
    ),
    Family(
        "custom/starcode",
        "StarCoder and what was made from it",
        "native",
        "GPTBigCodeForCausalLM",
        kinds=("gpt_bigcode", "starcoder2"),
        aliases=("custom/starcoder",),
    ),
    Family(
        "custom/baichuan",
        "Baichuan and Baichuan 2, of 7 billion weights",
        "mapped",
        "LlamaForCausalLM",
        "Its fused weights are split as Llama's while they are loaded; its code is not run.",
        kinds=("baichuan",),
        aliases=("custom/baichuan2",),
    ),
    Family(
        "custom/qwen1",
        "Qwen of the first generation",
        "remote code",
        "QWenLMHeadModel",
        f"Its code is {_OLD_CODE}. Qwen 1.5 and later need none.",
        kinds=("qwen",),
    ),
    Family(
        "custom/qwen",
        "Qwen 1.5, 2 and 3",
        "native",
        "Qwen2ForCausalLM",
        kinds=("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe"),
        also=("qwen",),
        aliases=("custom/qwen2", "custom/qwen3"),
    ),
    Family(
        "custom/chatglm2",
        "ChatGLM 2 and 3, GLM-4 in its first form",
        "remote code",
        "ChatGLMForConditionalGeneration",
        f"Its code is {_OLD_CODE}. A folder converted to GlmForCausalLM needs none, nor does a "
        "GGUF on the llama_cpp backend.",
        kinds=("chatglm",),
        also=("glm", "glm4", "glm4_moe"),
        aliases=("custom/chatglm3", "custom/glm4"),
    ),
    Family(
        "custom/m3e",
        "Embedding models",
        "native",
        "SentenceTransformer",
        "Turns texts into vectors.",
        engine=EMBEDDING,
    ),
    Family(
        "custom/bge",
        "Embedding models whose vectors are scaled to length 1",
        "native",
        "SentenceTransformer",
        "Turns texts into vectors.",
        engine=EMBEDDING,
    ),
    Family(
        "custom/bge_rerank",
        "Rerankers",
        "native",
        "CrossEncoder",
        "Scores how well a passage answers a query.",
        engine=RERANK,
    ),
    Family(
        "custom/qwen_vl_chat",
        "Qwen2-VL and later, which see pictures",
        "native",
        "AutoModelForImageTextToText",
        "The first Qwen-VL needs code for transformers 4.",
        kinds=("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"),
        also=("qwen",),
        aliases=("custom/qwen2_vl",),
    ),
    Family(
        "chatglm6b",
        "ChatGLM of the first generation",
        "gone",
        "ChatGLMForConditionalGeneration",
        "No current library loads its two-dimensional positions, and its own code needs "
        "transformers 4; deploy GLM-4 or a later GLM, or a GGUF of ChatGLM 3 on the llama_cpp "
        "backend.",
    ),
    Family(
        "moss",
        "MOSS",
        "gone",
        "MossForCausalLM",
        "No current library has it, and its own code needs transformers 4; deploy a current chat "
        "model such as Qwen 3.",
        kinds=("moss",),
        aliases=("custom/alpha_moss", "custom/moss"),
    ),
    Family(
        "custom/visualglm",
        "VisualGLM",
        "gone",
        "ChatGLMForConditionalGenerationWithImage",
        "No current library loads it, and its own code needs transformers 4; GLM-4.1V and "
        "Qwen2-VL are loaded without code of their own.",
    ),
    Family(
        "whisper",
        "Whisper",
        "native",
        "WhisperForConditionalGeneration",
        "Writes down what is said: images-and-audio.md.",
        kinds=("whisper",),
        engine=LISTENING,
        aliases=("custom/whisper",),
    ),
    Family(
        "bark",
        "Bark",
        "native",
        "BarkModel",
        "Speaks, with the voices of its folder: images-and-audio.md.",
        kinds=("bark",),
        engine=SPEAKING,
        aliases=("custom/bark",),
    ),
    Family(
        "custom/vits",
        "VITS and MMS, each of one language",
        "native",
        "VitsModel",
        "Speaks: images-and-audio.md.",
        kinds=("vits",),
        engine=SPEAKING,
    ),
    Family(
        "custom/stable_diffusion",
        "Stable Diffusion",
        "native",
        "StableDiffusionPipeline",
        "Draws what a text says; so does any other pipeline of the diffusers library that begins "
        "with a text.",
        engine=DRAWING,
    ),
)
"""All of them; one value of ``model_type`` belongs to one family."""


def families() -> tuple[Family, ...]:
    """Every family of :data:`FAMILIES`, for who shows or completes them."""
    return FAMILIES
