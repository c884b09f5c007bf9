"""What an answer may be asked for as: anything that pydantic knows, or a JSON schema."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from byzer_lab.client.typed.dicts import readable
from byzer_lab.errors import InvalidRequestError, describe

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TOLD = 5
"""Most faults of one answer that are told."""


class UnfitError(Exception):
    """An answer that doesn't fit; its text is one sentence for the model and for the caller."""


class AnswerKind(Protocol):
    """What an answer is asked for as.

    Attributes:
        name: For messages.
        schema: JSON Schema of the answer.
        asked: What the caller passed, for format functions.
    """

    name: str
    schema: dict[str, Any]
    asked: Any

    def read(self, data: Any) -> Any:
        """The value of what stood in the answer as JSON.

        Raises:
            UnfitError: It doesn't fit.
        """

    def partial(self, data: Any) -> Any:
        """What of an answer that is still coming can be shown.

        Raises:
            UnfitError: Nothing yet.
        """


def kind_of(asked: Any) -> AnswerKind:
    """What is asked for by a class, a type such as ``list[Story]``, or a JSON schema.

    Args:
        asked: A pydantic model, a dataclass, a TypedDict, an enum, a plain type, a list, a union
            or another form of these; or a JSON schema as a dict or as text.

    Raises:
        InvalidRequestError: It is none of these, or no JSON schema can say what it is.
    """
    if isinstance(asked, str | Mapping):
        return SchemaKind(asked)
    return ClassKind(asked)


class ClassKind:
    """Whatever pydantic validates."""

    def __init__(self, asked: Any) -> None:
        import pydantic

        self.asked = asked
        self.name = asked.__name__ if inspect.isclass(asked) else _type_name(asked)
        if inspect.isroutine(asked):
            raise InvalidRequestError(
                f"response_class is the function {asked.__name__}; functions are passed as tools, "
                "and response_class is a class, a type or a JSON schema."
            )
        if isinstance(asked, list | tuple):
            inside = ", ".join(one.__name__ if inspect.isclass(one) else str(one) for one in asked)
            raise InvalidRequestError(
                f"response_class is {_type_name(asked)}, a {type(asked).__name__} and no type; for "
                f"several, write list[{inside or '...'}]."
            )
        if isinstance(asked, pydantic.BaseModel):
            raise InvalidRequestError(
                f"response_class is an instance of {type(asked).__name__}; pass the class itself."
            )
        try:
            self._adapter: TypeAdapter[Any] = pydantic.TypeAdapter(readable(asked))
            self.schema = self._adapter.json_schema()
        except (pydantic.errors.PydanticUserError, AttributeError, NameError, TypeError) as error:
            raise InvalidRequestError(
                f"{self.name} can't be asked for: {_first_line(error)}. Use pydantic models, "
                "dataclasses, TypedDicts, enums, plain types, lists and unions of these, or a JSON "
                "schema."
            ) from error

    def read(self, data: Any) -> Any:
        """An instance.

        Raises:
            UnfitError: The class refused the data.
        """
        import pydantic

        try:
            # as JSON, so that a strict model takes dates and enums, which JSON has as texts
            return self._adapter.validate_json(json.dumps(data))
        except pydantic.ValidationError as error:
            raise UnfitError(faults(error)) from error
        except Exception as error:  # the class's own checks may raise whatever they like
            raise UnfitError(f"{self.name} refused it with {describe(error)}") from error

    def partial(self, data: Any) -> Any:
        """An instance whose missing fields are ``None``; of what is no model, plain data."""
        return _partial(self.asked, data)


class SchemaKind:
    """A JSON schema; the value is plain data.

    Args:
        asked: The schema, or its text.
        what: It is, for messages.
    """

    def __init__(self, asked: str | Mapping[str, Any], what: str = "response_class") -> None:
        import jsonschema  # type: ignore[import-untyped]
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        self.asked = asked
        schema: Any = asked
        if isinstance(asked, str):
            try:
                schema = json.loads(asked)
            except ValueError as error:
                raise InvalidRequestError(
                    f"{what} is a text that is no JSON schema ({error}); pass a class, or a "
                    "schema as JSON."
                ) from error
        if not isinstance(schema, Mapping):
            raise InvalidRequestError(f"{what} is {schema!r} as JSON; a JSON schema is an object.")
        self.schema = dict(schema)
        self.name = str(schema.get("title") or "JSON of the schema")
        validator: Any = jsonschema.validators.validator_for(
            self.schema, default=jsonschema.Draft202012Validator
        )
        try:
            validator.check_schema(self.schema)
        except jsonschema.SchemaError as error:
            raise InvalidRequestError(
                f"{what} is no JSON schema: {error.json_path}: {_first_line(error)}."
            ) from error
        # with the registry of the standard's own schemas alone nothing is fetched from elsewhere
        self._validator = validator(
            self.schema, registry=REGISTRY, format_checker=validator.FORMAT_CHECKER
        )

    def read(self, data: Any) -> Any:
        """The data.

        Raises:
            UnfitError: The schema refused it.
        """
        from referencing.exceptions import Unresolvable

        try:
            errors = list(self._validator.iter_errors(data))
        except Unresolvable as error:
            raise InvalidRequestError(
                f"The schema refers to {error.ref!r}, which is not in it; nothing is fetched from "
                "elsewhere."
            ) from error
        except RecursionError as error:
            raise UnfitError(
                "It is nested too deeply, or the schema refers to itself without end"
            ) from error
        if errors:
            told = [f"{error.json_path}: {error.message}" for error in errors]
            raise UnfitError(_joined(told))
        return data

    def partial(self, data: Any) -> Any:
        """The data so far."""
        return data


def _partial(asked: Any, data: Any) -> Any:
    import types
    from typing import Annotated, Union, get_args, get_origin

    import pydantic

    origin, arguments = get_origin(asked), get_args(asked)
    if origin is Annotated:
        return _partial(arguments[0], data)
    if origin in (Union, types.UnionType):
        rest = [one for one in arguments if one is not type(None)]
        return _partial(rest[0], data) if len(rest) == 1 else data
    if origin is list and isinstance(data, list):
        return [_partial(arguments[0], item) for item in data]
    if not (isinstance(asked, type) and issubclass(asked, pydantic.BaseModel)):
        return data
    if not isinstance(data, dict):
        return None
    fields: dict[str, Any] = {}
    present = set()
    for name, field in asked.model_fields.items():
        key = field.validation_alias if isinstance(field.validation_alias, str) else name
        if key in data:
            present.add(name)
        fields[name] = _partial(field.annotation, data[key]) if key in data else None
    try:
        return asked.model_construct(_fields_set=present, **fields)
    except Exception as error:  # its model_post_init doesn't take what is missing yet
        raise UnfitError(f"{asked.__name__} refused it with {describe(error)}") from error


def faults(error: Any) -> str:
    """A validation error of pydantic in one line."""
    told = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in fault["loc"])
        place = place.removeprefix(".")
        told.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    return _joined(told)


def _joined(told: list[str]) -> str:
    more = f"; and {len(told) - TOLD} more" if len(told) > TOLD else ""
    return "; ".join(told[:TOLD]) + more


def _type_name(asked: Any) -> str:
    """Such as ``list[Story]``, without modules."""
    return re.sub(r"[A-Za-z_][\w.]*\.(?:<locals>\.)?", "", str(asked))


def _first_line(error: Exception) -> str:
    """What a library has against a type or a schema, without its advice, which is of no use for
    JSON."""
    lines = str(getattr(error, "message", error)).strip().splitlines() or [type(error).__name__]
    told, _, _ = lines[0].partition(". Set `arbitrary_types_allowed")
    if found := re.fullmatch(r"Unable to generate pydantic-core schema for (.*)", told):
        name = re.sub(r"<class '(.*)'>", r"\1", found[1])
        return f"{_type_name(name)} is no type that JSON can hold"
    if found := re.match(r"`TypeAdapter\[.*?'(\w+)'.*\]` is not fully defined", told):
        return f"{found[1]!r} is a text in it; name the class itself"
    return told.rstrip(".")
