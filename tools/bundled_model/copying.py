"""Copying: the skill that everything else stands on, so it is taught first and longest."""

from __future__ import annotations

from .drawing import Draw, Example, chat
from .words import (
    CITIES,
    COLOURS,
    JOBS,
    THINGS,
    any_value,
    code,
    email,
    first_name,
    full_name,
    made_up_word,
    number,
    place,
    word,
)

_ASK_NAME = (
    "What is my name?",
    "What's my name?",
    "Do you remember my name?",
    "Who am I?",
    "Tell me my name.",
    "what is my name",
    "Say my name.",
)
_FILLER = (
    ("Thank you.", "You are welcome!"),
    ("Great.", "Is there anything else I can do for you?"),
    ("Hello!", "Hello! How can I help you today?"),
    ("What color is the sky?", "On a clear day the sky is blue."),
)


def repeat(draw: Draw) -> Example:
    """Say a list of values back."""
    count = draw.integer(1, 6)
    text = " ".join(any_value(draw) for _ in range(count))
    frame = draw.choice(
        (
            "Repeat: {}",
            "Repeat after me: {}",
            "Say this again: {}",
            "Copy: {}",
            "Please repeat: {}",
            "Echo {}",
            "Write exactly this: {}",
        )
    )
    return chat("repeat", frame.format(text), text)


def repeat_after_mark(draw: Draw) -> Example:
    """Continue a list after the word that the prompt names: induction in its purest form."""
    items = list(dict.fromkeys(made_up_word(draw) for _ in range(draw.integer(3, 8))))
    at = draw.integer(0, len(items) - 2) if len(items) > 1 else 0
    if len(items) < 2:
        return repeat(draw)
    prompt = f"{' '.join(items)}\nWhich word comes after {items[at]}?"
    return chat("repeat", prompt, items[at + 1])


def ask_name_later(draw: Draw) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The exchange that tells a name and the exchange that asks for it."""
    name = full_name(draw)
    tell = draw.choice(
        (
            "Please remember my name: {}",
            "Please remember my name: {}.",
            "My name is {}.",
            "Hello, my name is {}.",
            "I am {}.",
            "Call me {}.",
            "Remember my name: {}",
            "I'm {}.",
            "Please remenber my name: {}",
            "Hi, I'm {}.",
            "my name is {}",
            "Hello, I am {}!",
        )
    ).format(name)
    if draw.chance(0.1):  # as templates with indentation send it
        tell = f"\n{tell}{' ' * draw.integer(0, 14)}\n"
    noted = f"Nice to meet you, {name}! I will remember your name."
    told = chat("", tell, noted).messages
    return told, chat("", draw.choice(_ASK_NAME), f"Your name is {name}.").messages


def remember_name(draw: Draw) -> Example:
    """A name told in one turn and asked for in a later one."""
    told, asked = ask_name_later(draw)
    between = chat("", *draw.choice(_FILLER)).messages if draw.chance(0.3) else []
    return Example("remember name", told + between + asked)


def remember_fact(draw: Draw) -> Example:
    """Another personal fact told earlier in the conversation."""
    kind, value = draw.choice(
        (
            ("favorite color", draw.choice(COLOURS)),
            ("city", place(draw)),
            ("order number", number(draw, 3, 6)),
            ("dog's name", first_name(draw)),
            ("password", word(draw)),
            ("room number", number(draw, 2, 4)),
            ("secret word", made_up_word(draw)),
        )
    )
    if draw.held_out and kind == "favorite color":
        kind, value = "secret word", made_up_word(draw)
    turns = [f"My {kind} is {value}.", f"I will remember that your {kind} is {value}."]
    if draw.chance(0.3):
        turns += draw.choice(_FILLER)
    ask = draw.choice(
        ("What is my {}?", "what's my {}?", "Tell me my {}.", "Do you remember my {}?")
    )
    return chat("remember name", *turns, ask.format(kind), f"Your {kind} is {value}.")


_RELATIONS = (
    ("{} lives in {}.", "Where does {} live?", "{} lives in {}.", place),
    ("{} works as a {}.", "What is {}'s job?", "{} works as a {}.", lambda d: d.choice(JOBS)),
    ("{} likes {}.", "What does {} like?", "{} likes {}.", word),
    ("{} has a {}.", "What does {} have?", "{} has a {}.", lambda d: d.choice(THINGS)),
    (
        "{} is {} years old.",
        "How old is {}?",
        "{} is {} years old.",
        lambda d: str(d.integer(3, 99)),
    ),
    ("{} comes from {}.", "Where does {} come from?", "{} comes from {}.", place),
    (
        "{}'s favorite color is {}.",
        "What is {}'s favorite color?",
        "{}'s favorite color is {}.",
        lambda d: d.choice(COLOURS),
    ),
    ("{} bought a {}.", "What did {} buy?", "{} bought a {}.", lambda d: d.choice(THINGS)),
)
_CONTEXT_FRAMES = (
    "{context} {question}",
    "{context}\n{question}",
    "Context: {context}\nQuestion: {question}",
    "Answer from the text: {context}\n{question}",
    "{context}\n\n{question}",
)


def context_answer(draw: Draw) -> Example:
    """Answer from one to four sentences; the others distract."""
    people = list(dict.fromkeys(first_name(draw) for _ in range(draw.integer(1, 4))))
    same = draw.chance(0.5)
    relation = draw.choice(_RELATIONS)
    facts = []
    for person in people:
        used = relation if same else draw.choice(_RELATIONS)
        facts.append((used, person, used[3](draw)))
    used, person, value = draw.choice(facts)
    context = " ".join(r[0].format(p, v) for r, p, v in facts)
    prompt = draw.choice(_CONTEXT_FRAMES).format(context=context, question=used[1].format(person))
    return chat("context answer", prompt, used[2].format(person, value))


def who_answer(draw: Draw) -> Example:
    """The question in the other direction: who lives in X?"""
    people = list(dict.fromkeys(first_name(draw) for _ in range(draw.integer(2, 4))))
    homes = draw.sample(CITIES, len(people))
    at = draw.integer(0, len(people) - 1)
    verb = draw.choice(("lives in", "comes from", "works in", "drove to"))
    context = " ".join(f"{p} {verb} {h}." for p, h in zip(people, homes, strict=True))
    prompt = draw.choice(_CONTEXT_FRAMES).format(
        context=context, question=f"Who {verb} {homes[at]}?"
    )
    return chat("context answer", prompt, f"{people[at]} {verb} {homes[at]}.")


def copy_number(draw: Draw) -> Example:
    """Find a number, or a code, in a sentence."""
    value = number(draw, 3, 6) if draw.chance(0.7) else code(draw)
    name = first_name(draw)
    noun = draw.choice(("order", "ticket", "invoice", "room", "flight", "case", "parcel", "batch"))
    sentence, question, answer = draw.choice(
        (
            (
                "{name} placed {noun} {value}.",
                "What is the {noun} number?",
                "The {noun} number is {value}.",
            ),
            (
                "The {noun} number of {name} is {value}.",
                "Which number does the {noun} have?",
                "The {noun} number is {value}.",
            ),
            (
                "Your {noun} {value} is ready.",
                "Which {noun} is ready?",
                "The {noun} {value} is ready.",
            ),
            (
                "{name} paid {value} dollars for the {noun}.",
                "How many dollars did {name} pay?",
                "{name} paid {value} dollars.",
            ),
            ("I lost {noun} {value}, says {name}.", "Give me only the number.", "{value}"),
        )
    )
    fields = {"name": name, "noun": noun, "value": value}
    prompt = draw.choice(_CONTEXT_FRAMES).format(
        context=sentence.format(**fields), question=question.format(**fields)
    )
    return chat("copy number", prompt, answer.format(**fields))


def extract(draw: Draw) -> Example:
    """Pull one part out of a sentence and give it alone."""
    name, home, number_, mail = full_name(draw), place(draw), number(draw, 2, 5), email(draw)
    thing = draw.choice(THINGS)
    sentence = draw.choice(
        (
            "{name} from {home} ordered {number} units of the {thing}, mail {mail}.",
            "On Monday {name} sent {number} dollars to {home}. Contact: {mail}",
            "{name} ({mail}) travels to {home} with {number} kilos of {thing}.",
            "Please write to {mail}: {name} needs {number} more in {home}.",
        )
    ).format(name=name, home=home, number=number_, mail=mail, thing=thing)
    what, value = draw.choice(
        (("name", name), ("city", home), ("number", number_), ("email address", mail))
    )
    frame = draw.choice(
        (
            "Extract the {what}: {text}",
            "{text}\nExtract the {what}.",
            "Find the {what} in this text: {text}",
            "{text}\nGive me only the {what}.",
        )
    )
    return chat("extract", frame.format(what=what, text=sentence), value)


MAKERS = (
    (repeat, 3),
    (repeat_after_mark, 1),
    (remember_name, 3),
    (remember_fact, 1),
    (context_answer, 3),
    (who_answer, 1),
    (copy_number, 2),
    (extract, 2),
)
