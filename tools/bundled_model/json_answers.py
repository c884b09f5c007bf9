"""JSON: values copied from the prompt into keys that the prompt names or a schema declares."""

from __future__ import annotations

import json
from typing import Any

from .drawing import Draw, Example, chat, is_held_out
from .words import (
    COLOURS,
    JOBS,
    THINGS,
    code,
    email,
    first_name,
    full_name,
    made_up_word,
    number,
    place,
    word,
    words,
)

_FIELDS = words(
    "name city color price size title author owner country brand team level code status "
    "street user product category file host label topic model kind"
)
_STORY = {
    "title": "The Brave Little Rabbit",
    "body": "A little rabbit lived in the forest. One night it led all its friends out of the "
    "storm, and everybody called it brave.",
}
_STORY_ZH = {
    "title": "勇敢的小兔子",
    "body": "森林里住着一只小兔子。一天夜里，它带着朋友们走出了风雨，大家都说它很勇敢。",
}

Field = tuple[str, dict[str, Any], str, Any]  # key, schema, text in the prompt, value


def _string(draw: Draw) -> str:
    return draw.choice((word, first_name, full_name, place, code, made_up_word))(draw)


def _field(draw: Draw, key: str) -> Field:
    kind = draw.integer(0, 6)
    if kind <= 2:
        value = _string(draw)
        return key, {"type": "string"}, value, value
    if kind == 3:
        whole = int(number(draw, 1, 5))
        return key, {"type": "integer"}, str(whole), whole
    if kind == 4:
        real = draw.integer(0, 99) + draw.integer(1, 9) / 10
        return key, {"type": "number"}, str(real), real
    if kind == 5:
        flag = draw.chance(0.5)
        return key, {"type": "boolean"}, str(flag).lower(), flag
    options = draw.sample(COLOURS, 3) if draw.chance(0.5) else draw.sample(JOBS, 3)
    picked = draw.choice(options)
    return key, {"type": "string", "enum": options}, picked, picked


def _is_free(entry: Field) -> bool:
    """Whether the value came from an endless supply (and so from the side of the draw)."""
    return entry[1]["type"] in ("string", "integer") and "enum" not in entry[1]


def _fields(draw: Draw) -> list[Field]:
    keys = list(
        dict.fromkeys(
            draw.sample([*_FIELDS, made_up_word(draw), made_up_word(draw)], draw.integer(1, 4))
        )
    )
    fields = [_field(draw, key) for key in keys]
    if draw.held_out and not any(_is_free(f) for f in fields):
        text = _string(draw)  # no drawn value was free text: make one, so that the prompt is new
        fields[0] = (keys[0], {"type": "string"}, text, text)
    return fields


def _dump(value: Any, compact: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)


def _told(draw: Draw, fields: list[Field]) -> str:
    """The values in words."""
    order = list(fields)
    if draw.chance(0.3):
        draw.rng.shuffle(order)
    form = draw.choice(("{} is {}", "{}: {}", "{} = {}", "the {} is {}"))
    return draw.choice((", ", "; ", " and ")).join(form.format(f[0], f[2]) for f in order)


def keys_named(draw: Draw) -> Example:
    """The prompt names the keys."""
    fields = _fields(draw)
    names = [f[0] for f in fields]
    keys = (
        ", ".join(names)
        if len(names) < 2 or draw.chance(0.5)
        else (", ".join(names[:-1]) + " and " + names[-1])
    )
    compact = draw.chance(0.12)
    frame = draw.choice(
        (
            "Give me JSON with the keys {keys}: {told}.",
            "{told}\nAnswer as JSON with the keys {keys}.",
            "Write {kind} with keys {keys}. {told}.",
            "Return {kind} with {keys}: {told}",
        )
    )
    if compact:
        frame = "Give me compact JSON with the keys {keys}: {told}."
    prompt = frame.format(
        keys=keys, told=_told(draw, fields), kind=draw.choice(("JSON", "a JSON object"))
    )
    return chat("JSON from keys", prompt, _dump({f[0]: f[3] for f in fields}, compact))


def person(draw: Draw) -> Example:
    """A person described in a sentence."""
    name, home, age = full_name(draw), place(draw), draw.integer(18, 80)
    job = draw.choice(JOBS)
    parts = {"name": name, "age": age, "city": home, "job": job}
    chosen = sorted(draw.sample(list(parts), draw.integer(1, 4)), key=list(parts).index)
    if draw.chance(0.2):
        draw.rng.shuffle(chosen)
    sentence = draw.choice(
        (
            "{name} is {age} years old, lives in {city} and works as a {job}.",
            "{name} is a {job} from {city}, {age} years old.",
            "My name is {name}, I am {age}, I live in {city} and I am a {job}.",
        )
    ).format(**parts)
    frame = draw.choice(
        (
            "{text} Give me this as JSON with the keys {keys}.",
            "Give me this person as JSON with keys {keys}: {text}",
            "{text}\nExtract {keys} as JSON.",
            "Extract {keys} as JSON: {text}",
        )
    )
    return chat(
        "JSON from keys",
        frame.format(text=sentence, keys=", ".join(chosen)),
        _dump({key: parts[key] for key in chosen}),
    )


def _object_schema(draw: Draw, fields: list[Field]) -> dict[str, Any]:
    """A flat object schema, plain or the way pydantic writes it."""
    if draw.chance(0.5):
        properties = {f[0]: {"title": f[0].capitalize(), **f[1]} for f in fields}
        return {
            "properties": properties,
            "required": [f[0] for f in fields],
            "title": draw.choice(THINGS).capitalize(),
            "type": "object",
        }
    return {
        "type": "object",
        "properties": {f[0]: f[1] for f in fields},
        "required": [f[0] for f in fields],
    }


def schema_given(draw: Draw) -> Example:
    """The prompt holds a JSON schema."""
    fields = _fields(draw)
    schema, told = _dump(_object_schema(draw, fields)), _told(draw, fields)
    answer = _dump({f[0]: f[3] for f in fields})
    request = draw.choice(
        (
            "Answer as JSON that matches this schema: {}",
            "Respond with JSON that fits this JSON schema:\n{}",
            "JSON schema: {}",
            "Schema:\n{}",
            "Return only JSON for this schema:\n{}",
        )
    ).format(schema)
    if draw.chance(0.3):
        example = chat("JSON from a schema", told, answer)
        example.messages.insert(0, {"role": "system", "content": request})
        return example
    prompt = f"{told}\n{request}" if draw.chance(0.7) else f"{request}\n{told}"
    return chat("JSON from a schema", prompt, answer)


def contact(draw: Draw) -> Example:
    """An order or a contact in prose, with a schema."""
    name, mail, units, thing = full_name(draw), email(draw), int(number(draw, 1, 4)), word(draw)
    text = draw.choice(
        (
            "{name} ({mail}) ordered {units} pieces of {thing}.",
            "Order of {name}: {units} x {thing}, mail {mail}.",
        )
    ).format(name=name, mail=mail, units=units, thing=thing)
    value = {"customer": name, "email": mail, "product": thing, "quantity": units}
    keys = draw.sample(list(value), draw.integer(2, 4))
    properties = {k: {"type": "integer" if k == "quantity" else "string"} for k in keys}
    schema = {"type": "object", "properties": properties, "required": keys}
    prompt = draw.choice(("{}\nAnswer as JSON that matches this schema: {}", "{}\nSchema:\n{}"))
    return chat(
        "JSON from a schema", prompt.format(text, _dump(schema)), _dump({k: value[k] for k in keys})
    )


def story(draw: Draw) -> Example:
    """The documentation's Story class, in English and Chinese."""
    chinese = draw.chance(0.5)
    if chinese:
        request = draw.choice(
            (
                "请给我讲个故事，分成两个部分，一个标题，一个故事主体",
                "请给我讲个故事，一个标题，一个主体",
                "给我讲个故事，分成标题和主体",
                "写一个故事，包含标题和主体",
            )
        )
    else:
        request = draw.choice(
            (
                "Please tell me a story in two parts, a title and a body.",
                "Tell me a story with a title and a body.",
                "Write a story: a title and a body.",
            )
        )
    described = ("故事的标题", "故事主体") if draw.chance(0.6) else ("title", "body")
    schema = {
        "properties": {
            "title": {"description": described[0], "title": "Title", "type": "string"},
            "body": {"description": described[1], "title": "Body", "type": "string"},
        },
        "required": ["title", "body"],
        "title": "Story",
        "type": "object",
    }
    ask = draw.choice(
        (
            "Answer as JSON that matches this schema: {}",
            "Respond with JSON that fits this JSON schema:\n{}",
            "JSON schema: {}",
            "Schema:\n{}",
            "As JSON.",
            "Give me JSON with the keys title and body.",
            "请用 JSON 回答。",
            "Return only JSON for this schema:\n{}",
        )
    ).format(_dump(schema))
    answer = _dump(_STORY_ZH if chinese else _STORY)
    example = chat("JSON story", f"{request}\n{ask}", answer)
    if draw.chance(0.3):
        example = chat("JSON story", request, answer)
        example.messages.insert(0, {"role": "system", "content": ask})
    key = "".join(m["content"] for m in example.messages[:-1])
    return example if is_held_out(key) == draw.held_out else story(draw)


MAKERS = ((keys_named, 4), (person, 3), (schema_given, 4), (contact, 1), (story, 1))
