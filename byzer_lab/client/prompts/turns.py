"""What a prompt function says beside its prompt: a conversation before it, how the answer begins
and ends, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byzer_lab.client.types import LLMResponse, MetaHolder, SingleOutputMeta
from byzer_lab.client.wording import words
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

MOST_TURNS = 10


@dataclass(frozen=True)
class Turns:
    """The settings; see the ``with_*`` methods of :class:`PromptFunction`.

    Attributes:
        conversation: Turns before the prompt.
        prefix: What the answer begins with; the model goes on from there.
        stops: Texts that end the answer.
        markers: Texts around the answer; it is asked to go on until the second one has come.
        marker_words: How the model is told of them, with ``{start}`` and ``{end}``; ``None``: in
            our own words.
        keep_markers: They stay in the result.
        most_turns: How often is asked at most for one answer.
        continue_words: How the model is asked to go on; ``None``: in our own words.
        extractor: Makes the result of the text.
        meta: Told what is known of the answer.
        returns_response: The result is the response itself.
    """

    conversation: tuple[Any, ...] = ()
    prefix: str = ""
    stops: tuple[str, ...] = ()
    markers: tuple[str, str] | None = None
    marker_words: str | None = None
    keep_markers: bool = False
    most_turns: int = MOST_TURNS
    continue_words: str | None = None
    extractor: Callable[[str], Any] | None = None
    meta: MetaHolder | None = None
    returns_response: bool = False

    def check_for_objects(self, what: str) -> None:
        """Refuse what needs a whole text.

        Args:
            what: The function returns.
        """
        for setting, is_set in (
            ("with_response_markers", self.markers is not None),
            ("with_extractor", self.extractor is not None),
        ):
            if is_set:
                raise InvalidRequestError(
                    f"{setting} is for prompt functions that return str; this one returns {what}."
                )

    def arguments(self, llm: ByzerLLM, text: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of ``chat_oai`` for a prompt.

        Args:
            llm: The client.
            text: The prompt.
            settings: What else was set.
        """
        found = {**settings, "conversations": self.messages(text)}
        if self.stops:
            config = dict(found.get("llm_config") or {})
            before = config.get("stop") or []
            config["stop"] = [*([before] if isinstance(before, str) else before), *self.stops]
            found["llm_config"] = config
        if not self.prefix:
            return found
        if "response_class" in found or found.get("tools"):
            raise InvalidRequestError(
                "with_return_prefix is for answers of text, without tools and classes."
            )
        return {**found, **self._begun(llm, found)}

    def messages(self, text: str) -> Any:
        """The conversation with the prompt as its last turn."""
        if not self.conversation:
            return text
        return [*self.conversation, {"role": "user", "content": text}]

    def _begun(self, llm: ByzerLLM, found: Mapping[str, Any]) -> dict[str, Any]:
        """The prompt with the beginning of the answer, as one text."""
        model, mapping = found.get("model"), found.get("role_mapping")
        name = llm._model(model)
        if mapping is None:
            mapping = llm._role_mapping(name)
        if mapping is not None:
            prompt = llm.generate_instruction_from_history(name, found["conversations"], mapping)
        elif llm.get_meta(name).get("support_chat_template"):
            prompt = llm.apply_chat_template(name, found["conversations"])
        else:
            raise InvalidRequestError(
                f"with_return_prefix needs a model whose prompt can be written here; {name!r} has "
                "no chat template. Set one of Templates with setup_template."
            )
        return {"conversations": prompt + self.prefix, "role_mapping": {}}

    def told(self, llm: ByzerLLM, text: str) -> str:
        """The prompt with what it says of markers."""
        if self.markers is None:
            return text
        start, end = self.markers
        if self.marker_words is None:
            return f"{text}\n\n{words('markers', llm._language, start=start, end=end)}"
        told = self.marker_words.replace("{start}", start).replace("{end}", end)
        return f"{text}\n\n{told}"

    def ask(self, llm: ByzerLLM, text: str, settings: Mapping[str, Any]) -> LLMResponse:
        """Ask for a text, and to go on where markers say that it is not whole."""
        prompt = self.told(llm, text)
        arguments = self.arguments(llm, prompt, settings)
        [whole] = llm.chat_oai(arguments.pop("conversations"), **arguments)
        answer: LLMResponse = getattr(whole, "response", whole)  # with tools, of what came last
        output = self.prefix + answer.output
        turns = 1
        while self.markers and self.markers[1] not in output and turns < self.most_turns:
            if answer.metadata.get("finish_reason") == "cancelled":
                break
            turns += 1
            again = self.continue_words or words("go_on", llm._language, end=self.markers[1])
            conversation = [
                *self.conversation,
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": output},
                {"role": "user", "content": again},
            ]
            more = {key: value for key, value in arguments.items() if key != "role_mapping"}
            if "role_mapping" in settings:
                more["role_mapping"] = settings["role_mapping"]
            [answer] = llm.chat_oai(conversation, **more)
            output += answer.output
        answer.metadata["turns"] = turns
        self.note(answer.metadata)
        return LLMResponse(self._without_markers(output), answer.input, answer.metadata)

    def _without_markers(self, text: str) -> str:
        if self.markers is None or self.keep_markers:
            return text
        start, end = self.markers
        _, found, rest = text.partition(start)
        inside, _, _ = (rest if found else text).partition(end)
        return inside

    def note(self, metadata: Mapping[str, Any]) -> None:
        """Tell the holder what is known of an answer."""
        if self.meta is not None:
            self.meta.meta = SingleOutputMeta(
                input_tokens_count=metadata.get("input_tokens_count", 0),
                generated_tokens_count=metadata.get("generated_tokens_count", 0),
                finish_reason=metadata.get("finish_reason", ""),
                metadata=dict(metadata),
                reasoning=metadata.get("reasoning", ""),
            )
