"""What a function's signature says, as a pydantic model: its JSON schema, and the check of a call.

The text in ``Annotated[str, "text", {"enum": [...]}]`` is the parameter's description, the dict
goes into its schema, and its ``enum`` is held to. ``pydantic.Field(...)`` works as well. What is
described nowhere else is taken from the docstring.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from byzer_lab.client.typed.dicts import readable
from byzer_lab.client.typed.kinds import UnfitError, faults
from byzer_lab.errors import InvalidRequestError

POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
KEYWORD = inspect.Parameter.KEYWORD_ONLY
REST = inspect.Parameter.VAR_POSITIONAL
NAMED = inspect.Parameter.VAR_KEYWORD


class Signature:
    """The parameters of a function that a model fills in.

    Args:
        function: The function, or another callable.
        name: Of it, for messages.
        given: Parameters that the caller fills in; the model doesn't see them.

    Attributes:
        description: From the docstring, without its part on parameters.
        schema: JSON Schema of the arguments.

    Raises:
        InvalidRequestError: A parameter's type has no JSON schema.
    """

    def __init__(self, function: Callable[..., Any], name: str, given: Mapping[str, Any]) -> None:
        import pydantic

        self._name = name
        self._given = given
        self._parameters = _parameters(function, name)
        self.description, described = _docstring(function)
        hints = _hints(function, name)
        fields: dict[str, Any] = {}
        self._fields: dict[str, str] = {}
        for parameter in self._parameters.values():
            if parameter.name in given or parameter.kind is NAMED:
                continue
            hint = hints.get(parameter.name, Any)
            field = f"argument_{len(fields)}"  # no parameter's name is in pydantic's way
            self._fields[field] = parameter.name
            fields[field] = _field(parameter, hint, described.get(parameter.name, ""))
        more = [p.name for p in self._parameters.values() if p.kind is NAMED]
        extra: Any = "allow" if more else "forbid"
        config = pydantic.ConfigDict(
            extra=extra, arbitrary_types_allowed=True, protected_namespaces=()
        )
        kind: Any = hints.get(more[0], Any) if more else None
        others = {"__pydantic_extra__": dict[str, kind]} if more else {}
        base = type(
            name, (pydantic.BaseModel,), {"__annotations__": others, "model_config": config}
        )
        self._model: type[pydantic.BaseModel] = pydantic.create_model(name, __base__=base, **fields)
        self.schema = self._json_schema()

    def _json_schema(self) -> dict[str, Any]:
        import pydantic

        try:
            with warnings.catch_warnings():
                # a default that JSON can't say is left out of the schema
                warnings.simplefilter("ignore", pydantic.json_schema.PydanticJsonSchemaWarning)
                schema = self._model.model_json_schema()
        except pydantic.errors.PydanticUserError as error:
            raise InvalidRequestError(
                f"The tool {self._name} has a parameter that JSON can't hold: {error.message}. "
                "Give it another type, or fill it in yourself with func_params."
            ) from error
        properties = schema.get("properties", {})
        for one in properties.values():
            one.pop("title", None)
        whole = {
            "type": "object",
            "properties": properties,
            "required": schema.get("required", []),
        }
        if "additionalProperties" in schema:
            whole["additionalProperties"] = schema["additionalProperties"]
        if "$defs" in schema:
            whole["$defs"] = schema["$defs"]
        return whole

    def bind(self, arguments: str) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, checked and turned into what the function takes.

        Args:
            arguments: A JSON object.

        Returns:
            Positional arguments and named ones.

        Raises:
            UnfitError: They don't fit.
        """
        import pydantic

        try:
            bound = self._model.model_validate_json(object_in(arguments))
        except pydantic.ValidationError as error:
            raise UnfitError(faults(error)) from error
        values = {name: getattr(bound, field) for field, name in self._fields.items()}
        placed: list[Any] = []
        named: dict[str, Any] = {}
        by_place = any(p.kind is REST for p in self._parameters.values())
        for parameter in self._parameters.values():
            name = parameter.name
            if parameter.kind is NAMED:
                named |= (bound.model_extra or {}) | {
                    key: value for key, value in self._given.items() if key not in self._parameters
                }
                continue
            value = self._given.get(name, values.get(name))
            if parameter.kind is REST:
                placed += value
            elif parameter.kind is POSITIONAL or (by_place and parameter.kind is not KEYWORD):
                placed.append(value)
            else:
                named[name] = value
        return placed, named


def object_in(arguments: str) -> str:
    """The JSON object of a call; models write none, or null, where there is nothing to say."""
    return "{}" if arguments.strip() in ("", "null") else arguments


def _parameters(function: Callable[..., Any], name: str) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"The tool {name} has no signature that can be read ({error}); wrap it in a function "
            "with annotated parameters."
        ) from error


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    target: Any = function
    while hasattr(target, "func"):  # functools.partial
        target = target.func
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = type(target).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise InvalidRequestError(
            f"The annotations of the tool {name} can't be read: {error}."
        ) from error


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, and those of the parameters."""
    text = inspect.getdoc(function) or ""
    if not text:
        return "", {}
    import docstring_parser

    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    parts = (parsed.short_description, parsed.long_description)
    description = "\n\n".join(part for part in parts if part) or text
    return description, {one.arg_name: one.description or "" for one in parsed.params}


def _field(parameter: inspect.Parameter, hint: Any, described: str) -> tuple[Any, Any]:
    """The model's field of a parameter."""
    import pydantic
    from pydantic.fields import FieldInfo

    notes: list[Any] = []
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
    hint = readable(hint)
    if parameter.kind is REST:
        hint = list[hint] if not notes else list[Annotated[hint, *_kept(notes)]]
    texts = [note for note in notes if isinstance(note, str)]
    extra = {key: value for note in notes if isinstance(note, dict) for key, value in note.items()}
    description = " ".join(texts) or extra.pop("description", "") or described
    default = parameter.default
    if parameter.kind is REST:
        default = pydantic.Field(default_factory=list)
    kept = _kept(notes) if parameter.kind is not REST else []
    if "enum" in extra:
        kept.append(pydantic.AfterValidator(_one_of(list(extra["enum"]))))
    if default is None and hint is not Any and NoneType not in get_args(hint):
        # "city: str = None": the model is told the default, and may write it
        checks = [note for note in kept if not isinstance(note, FieldInfo)]
        kept = [note for note in kept if isinstance(note, FieldInfo)]
        hint = Union[Annotated[hint, *checks] if checks else hint, None]  # noqa: UP007
        if "enum" in extra:
            extra["enum"] = [*extra["enum"], None]
    more: dict[str, Any] = {"json_schema_extra": extra} if extra else {}
    if description and not _says(kept):
        more["description"] = description
    kept.append(pydantic.Field(alias=parameter.name, **more))
    required = default is inspect.Parameter.empty
    return Annotated[hint, *kept], (... if required else default)


def _kept(notes: list[Any]) -> list[Any]:
    """What of an annotation pydantic knows."""
    return [note for note in notes if not isinstance(note, str | dict)]


def _says(notes: list[Any]) -> bool:
    return any(getattr(note, "description", None) for note in notes)


def _one_of(options: list[Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in options:
            told = ", ".join(json.dumps(option, ensure_ascii=False) for option in options)
            raise ValueError(f"{value!r} is none of {told}")
        return value

    return check
