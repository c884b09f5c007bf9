"""A function whose body is a prompt. It never changes: each setting makes another one, so that
calls and threads can share it."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

from byzer_lab.client.functions.signature import bind
from byzer_lab.client.prompts.answering import answer, answer_later
from byzer_lab.client.prompts.fluent import Fluent
from byzer_lab.client.prompts.rendering import SELF, Render, dedented, rendered
from byzer_lab.client.prompts.turns import Turns
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

UNSET: Any = object()


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of options, whose names are checked at a call.

    Raises:
        InvalidRequestError: They, or their ``llm_config``, are no dict.
    """
    if not isinstance(options, Mapping):
        raise InvalidRequestError(
            f"options is {options!r}; it is a dict of arguments of chat_oai, such as "
            '{"llm_config": {"temperature": 0}}.'
        )
    config = options.get("llm_config")
    if config is not None and not isinstance(config, Mapping):
        raise InvalidRequestError(f"llm_config is {config!r}; it is a dict of parameters.")
    return dict(options)


@dataclass(frozen=True, eq=False)
class PromptFunction(Fluent):
    """Made by ``llm.prompt`` and ``byzer_lab.prompt``. Calling it asks the model; where it has
    none, it returns the prompt.

    Attributes:
        function: What was decorated.
        llm: Who is asked: a client, the name of a deployment, or a function of the object that a
            method belongs to; ``None``: nobody.
        render: How the docstring is filled in.
        check_result: Warn where a model's answer is not the object that was asked for.
        settings: Arguments of ``chat_oai``.
        return_type: In place of the function's annotation.
        instance: What a method belongs to.
        owner: Its class, where it was looked up there: the object is then the first argument.
        lazy: A call only keeps its arguments.
        arguments: Kept ones.
        names: Local ones that the annotation may name.
        turns: What is around the prompt.
    """

    function: Callable[..., Any]
    llm: ByzerLLM | Callable[[Any], Any] | str | None = None
    render: Render = "jinja2"
    check_result: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    return_type: Any = UNSET
    instance: Any = UNSET
    owner: type | None = None
    lazy: bool = False
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None
    names: Mapping[str, Any] = field(default_factory=dict, repr=False)
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, name):
                object.__setattr__(self, name, getattr(self.function, name))
        signature = inspect.signature(self.function)
        if self.instance is not UNSET:
            _, *rest = signature.parameters.values()
            signature = signature.replace(parameters=rest)
        object.__setattr__(self, "__signature__", signature)  # for help and completion

    def __get__(self, instance: Any, owner: type | None = None) -> PromptFunction:
        if instance is None:
            return dataclasses.replace(self, owner=owner)
        return dataclasses.replace(self, instance=instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask; without a model, return the prompt; where lazy, keep the arguments."""
        if self.owner is not None:
            return self._bound(args)(*args[1:], **kwargs)
        if self.lazy:
            return dataclasses.replace(self, lazy=False, arguments=(args, kwargs))
        return self.prompt(*args, **kwargs) if self.llm is None else self.run(*args, **kwargs)

    def with_llm(self, llm: ByzerLLM | Callable[[Any], Any] | str) -> PromptFunction:
        """One that asks another model; see :attr:`llm`."""
        return dataclasses.replace(self, llm=llm)

    def options(self, options: Mapping[str, Any] | None = None, **more: Any) -> PromptFunction:
        """One with more arguments of ``chat_oai``, such as ``model`` and ``llm_config``, whose
        entries are added to those before."""
        settings = {**self.settings, **checked_options({**checked_options(options or {}), **more})}
        before, new = self.settings.get("llm_config"), settings.get("llm_config")
        if before and new:
            settings["llm_config"] = {**before, **new}
        return dataclasses.replace(self, settings=settings)

    def with_return_type(self, return_type: Any) -> PromptFunction:
        """One whose answers are another type."""
        return dataclasses.replace(self, return_type=return_type)

    def prompt(self, *args: Any, **kwargs: Any) -> Any:
        """The prompt with these arguments; of an ``async def``, awaitable. Asks nobody."""
        if self.owner is not None:
            return self._bound(args).prompt(*args[1:], **kwargs)
        variables, overrides = self._variables(args, kwargs)
        if inspect.isawaitable(overrides):
            return self._later(variables, overrides)
        return self._rendered(variables, overrides)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the model.

        Returns:
            What the function's annotation says: a text, an object (``None`` where the model gave
            none), a generator of texts, or an asynchronous one. Of an ``async def``, awaitable.

        Raises:
            InvalidRequestError: There is no model, the prompt can't be filled in, or the
                annotation says nothing that a model can answer.
        """
        if self.owner is not None:
            return self._bound(args).run(*args[1:], **kwargs)
        llm, kind = self._client(), self._kind()
        text = self.prompt(*args, **kwargs)
        if inspect.isawaitable(text):
            return answer_later(llm, text, kind, self.settings, self.turns, self._warning)
        return answer(llm, text, kind, self.settings, self.turns, self._warning)

    def _bound(self, args: tuple[Any, ...]) -> PromptFunction:
        """The method of the object that is its first argument."""
        assert self.owner is not None
        if not args or not isinstance(args[0], self.owner):
            given = f"its first argument is {args[0]!r}" if args else "it was given no argument"
            raise InvalidRequestError(
                f"{self.function.__name__} is a method of {self.owner.__name__}, but {given}; call "
                "it on an object of that class."
            )
        return dataclasses.replace(self, owner=None, instance=args[0])

    async def _later(self, variables: dict[str, Any], overrides: Any) -> str:
        return self._rendered(variables, await overrides)

    def _variables(self, args: Any, kwargs: Any) -> tuple[dict[str, Any], Any]:
        """The arguments by name, and what the body returned. The body runs once."""
        if self.arguments is not None and not args and not kwargs:
            args, kwargs = self.arguments
        given = (self.instance, *args) if self.instance is not UNSET else args
        signature = inspect.signature(self.function)
        bound = bind(signature, self.function.__name__, given, kwargs)
        overrides = self.function(*bound.args, **bound.kwargs)
        bound.apply_defaults()
        variables: dict[str, Any] = {}
        for place, (name, value) in enumerate(bound.arguments.items()):
            if place == 0 and self.instance is not UNSET:
                continue
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                variables |= value
            else:
                variables[name] = value
        return variables, overrides

    def _rendered(self, variables: dict[str, Any], overrides: Any) -> str:
        name = self.function.__name__
        if overrides is not None and not isinstance(overrides, Mapping):
            raise InvalidRequestError(
                f"The body of {name} returned {type(overrides).__name__}; it may return nothing, "
                "or a dict of variables of its prompt."
            )
        template = self.function.__doc__
        if not template or not template.strip():
            raise InvalidRequestError(f"{name} has no prompt; write it as its docstring.")
        values = {**variables, **(overrides or {})}
        if self.instance is not UNSET:
            values.setdefault(SELF, self.instance)
        return rendered(dedented(template), values, self.render, name)

    def _client(self) -> ByzerLLM:
        from byzer_lab.client.byzer_llm import ByzerLLM

        llm: Any = self.llm
        name = self.function.__name__
        if callable(llm) and not isinstance(llm, ByzerLLM | str):
            if self.instance is UNSET:
                raise InvalidRequestError(
                    f"{name} finds its model by a function of the object that it belongs to, but "
                    "it belongs to none; call it as a method, or use with_llm."
                )
            llm = llm(self.instance)
        if isinstance(llm, str):
            return ByzerLLM().setup_default_model_name(llm)
        if isinstance(llm, ByzerLLM):
            return llm
        if llm is None:
            raise InvalidRequestError(
                f"{name} has no model to ask; use with_llm, or .prompt() for its text alone."
            )
        raise InvalidRequestError(
            f"The model of {name} is {llm!r}; it must be a ByzerLLM, the name of a deployment, or "
            "a function of the object that it belongs to."
        )

    def _kind(self) -> Any:
        """What is returned."""
        if self.return_type is not UNSET:
            return self.return_type
        function: Any = inspect.unwrap(self.function)
        said = getattr(function, "__annotations__", {}).get("return", str)
        holder: Any = SimpleNamespace(__annotations__={"return": said})  # no parameter matters
        known = getattr(function, "__globals__", {})
        try:
            return get_type_hints(holder, known, dict(self.names), include_extras=True)["return"]
        except (NameError, TypeError) as error:
            raise InvalidRequestError(
                f"The annotation of what {self.function.__name__} returns can't be read: {error}. "
                "Use with_return_type."
            ) from error

    @property
    def _warning(self) -> str:
        """What to warn with where the answer is no object; empty: don't."""
        return self.function.__name__ if self.check_result else ""
