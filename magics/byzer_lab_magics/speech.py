"""``%%llm_speak``, ``%%llm_draw`` and ``%%llm_transcribe``: sounds and pictures in a notebook."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError

from byzer_lab.drawing import DRAWING
from byzer_lab.errors import ByzerLabError, ModelNotFoundError, NotReadyError
from byzer_lab.records import StateSnapshot
from byzer_lab.schema import ParameterInfo
from byzer_lab.speech import LISTENING, SPEAKING
from byzer_lab.types import Progress
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import connect
from byzer_lab_magics.failures import interrupted
from byzer_lab_magics.interpolate import interpolate
from byzer_lab_magics.media import Pictures, Transcription
from byzer_lab_magics.names import looked_up
from byzer_lab_magics.options import Option, Positional, option_of, shown_value
from byzer_lab_magics.pictures import picture_bytes
from byzer_lab_magics.show import StateLine

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM
    from byzer_lab.client.media import Sound

T = TypeVar("T")
MODEL = Positional("model", "name of the deployment", required=False, deployment=True)


def _model(verb: str) -> Option:
    return Option(
        "model",
        "the same, and the only spelling in the one-line form",
        metavar="NAME",
        shown_default=f"the only one that {verb}",
        deployment=True,
    )


def _asked(info: ParameterInfo) -> Option:
    """The option of a parameter that is left to the model where nobody gives it."""
    shown = "" if info.default in (None, "", False) else shown_value(info.default)
    return option_of(info, default=None, shown_default=shown)


SEED = Option("seed", "makes the answer repeatable", "integer")
AS = Option("as", "keep it in this variable", metavar="NAME")
SAVE = Option("save", "write it to this file", metavar="FILE")
RAW = Option("raw", "send the text as it stands: no template, no {{ name }}", "flag")
NOT_HERE = ("chunk_size", "timestamp_granularities", "prompt", "response_format", "init_image")
FORMAT = next(info for info in SPEAKING if info.name == "response_format")
SPOKEN = [_asked(info) for info in SPEAKING if info.name not in NOT_HERE]
HEARD = [_asked(info) for info in LISTENING if info.name not in NOT_HERE]
DRAWN = [_asked(info) for info in DRAWING if info.name not in NOT_HERE]
SERVICE = [
    Option("size", "width and height, such as 1024x1024"),
    Option("quality", "of a provider's picture"),
    Option("style", "of a provider's picture"),
    Option("n", "how many pictures", "integer"),
]

SPEAK = Arguments(
    "llm_speak",
    "Have a text spoken; a player is shown. An interrupt cancels it.",
    ["%%llm_speak [MODEL] [options]", "%llm_speak [--model NAME] [options] TEXT"],
    [MODEL],
    [
        _model("speaks"),
        *SPOKEN,
        # Services have formats that no local model has.
        Option("format", FORMAT.help.rstrip(".").lower(), values=FORMAT.choices,
               aliases=("response_format",), shown_default="the model's own"),
        Option("instructions", "how a provider's model is to speak"),
        SEED,
        Option("temperature", "0 leaves nothing to chance", "number"),
        AS, SAVE, RAW,
    ],
    "The text is a Jinja template over the notebook's variables. The sound stays in the saved "
    "notebook up to 8 MiB.",
)  # fmt: skip
DRAW = Arguments(
    "llm_draw",
    "Have pictures drawn; steps are shown as they go. An interrupt cancels it.",
    ["%%llm_draw [MODEL] [options]", "%llm_draw [--model NAME] [options] TEXT"],
    [MODEL],
    [
        _model("draws"),
        *DRAWN,
        Option("image", "picture to begin with: a variable or a file", metavar="NAME",
               aliases=("init_image",)),
        *SERVICE, SEED, AS, SAVE, RAW,
    ],
    "The text is a Jinja template over the notebook's variables. A local model knows the "
    "parameters up to --output_format, a provider's knows --size, --quality, --style and --n; what "
    "a model doesn't know it refuses. Pictures stay in the saved notebook up to 8 MiB each.",
)  # fmt: skip
TRANSCRIBE = Arguments(
    "llm_transcribe",
    "Have written down what is said. An interrupt cancels it.",
    ["%llm_transcribe MODEL AUDIO [options]", "%%llm_transcribe [MODEL] [options]"],
    [
        MODEL,
        Positional("audio", "a file, or a variable: a path, bytes, a sound, samples and rate",
                   required=False),
    ],
    [
        _model("listens"),
        *HEARD,
        Option("timestamps", "times of segments, or of words", values=("segment", "word"),
               only_values=True, repeat=True),
        Option("prompt", "text that comes before, or how names in it are written"),
        Option("rate", "samples a second, of samples that come without", "integer"),
        Option("temperature", "0 takes the likeliest text", "number"),
        Option("format", "how it is shown and saved", values=("text", "srt", "vtt"),
               only_values=True, default="text"),
        AS, SAVE,
    ],
    "Below %%llm_transcribe stand files or variables, one on each line.",
)  # fmt: skip


def speak(shell: Any, options: dict[str, Any], body: str) -> Sound:
    """Run ``%%llm_speak``."""
    text = _text("llm_speak", shell, options, body)
    wanted = _given(options, [option.name for option in SPOKEN] + ["instructions"])
    with _asking(shell, "llm_speak", options, "speaks") as (llm, model, tell):
        sound = llm.speak(
            text,
            model,
            response_format=options["format"],
            llm_config=_given(options, ("seed", "temperature")),
            on_progress=tell,
            **wanted,
        )
    if options["save"]:
        sound.save(options["save"])
    return _kept(shell, options, sound)


def draw(shell: Any, options: dict[str, Any], body: str) -> Pictures:
    """Run ``%%llm_draw``."""
    text = _text("llm_draw", shell, options, body)
    wanted = _given(options, [option.name for option in (*DRAWN, *SERVICE, SEED)])
    first = picture_bytes(shell, options["image"]) if options["image"] else None
    with _asking(shell, "llm_draw", options, "draws") as (llm, model, tell):
        pictures = llm.draw(text, model, init_image=first, on_progress=tell, **wanted)
    if options["save"]:
        target = Path(options["save"])
        for number, one in enumerate(pictures, 1):
            name = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
            one.save(name)
    return _kept(shell, options, Pictures(pictures))


def transcribe(shell: Any, options: dict[str, Any], body: str) -> Transcription:
    """Run ``%llm_transcribe``."""
    names = [line.strip() for line in body.splitlines() if line.strip()]
    names += [options["audio"]] if options["audio"] else []
    if options["model"] and not names:
        names, options = [options["model"]], {**options, "model": None}
    if not names:
        raise UsageError("%llm_transcribe: name a file or a variable with the sound.")
    sounds = [_sound(shell, name) for name in names]
    with _asking(shell, "llm_transcribe", options, "transcribes") as (llm, model, tell):
        found = [
            llm.transcribe(
                sound,
                model,
                rate=options["rate"],
                prompt=options["prompt"],
                timestamps=options["timestamps"],
                llm_config=_given(options, ("temperature",)),
                on_progress=tell,
                **_given(options, [option.name for option in HEARD]),
            )
            for sound in sounds
        ]
    shown = Transcription(found, names, options["format"], options["timestamps"])
    if options["save"]:
        Path(options["save"]).expanduser().write_text(shown.text, encoding="utf-8")
    return _kept(shell, options, shown)


@contextmanager
def _asking(
    shell: Any, magic: str, options: dict[str, Any], ability: str
) -> Iterator[tuple[ByzerLLM, str, Callable[[Progress], None]]]:
    """The client, the model's name and what shows progress; around one question."""
    name = options["as"]
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"%{magic}: --as {name} is not a name that a variable can have.")
    session = connect(shell)
    model = options["model"] or _only(session.gateway.state(), ability, magic)
    from byzer_lab.client.byzer_llm import ByzerLLM

    line = StateLine(shell, model)
    line.running("asked")

    def tell(progress: Progress) -> None:
        line.running(progress.phase, progress.done / max(1, progress.total))

    try:
        with line.ticking():
            yield ByzerLLM(), model, tell
    except KeyboardInterrupt:
        line.end("cancelled", "interrupted")
        raise interrupted("The answer was interrupted; the model has stopped.") from None
    except BaseException as error:
        words = error.message if isinstance(error, ByzerLabError) else type(error).__name__
        line.end("failed", words)
        raise
    line.end("succeeded", f"{line.seconds:.1f} s")


def _only(snapshot: StateSnapshot, ability: str, magic: str) -> str:
    from byzer_lab.client.speech import TASKS

    ready = [record for record in snapshot.deployments if record.state == "ready"]
    able = [
        record.spec.name
        for record in ready
        if record.meta.get(ability) or record.meta.get("task") == TASKS[ability]
    ]
    names = able or [record.spec.name for record in ready]
    if len(names) == 1:
        return names[0]
    if names:
        raise UsageError(f"Several models are ready, name one: %%{magic} {' or '.join(names)}.")
    if snapshot.deployments:
        others = ", ".join(f"{item.spec.name} ({item.state})" for item in snapshot.deployments)
        raise NotReadyError(f"No model is ready; there is: {others}.")
    raise ModelNotFoundError("Nothing is deployed; %llm_deploy deploys a model.")


def _text(magic: str, shell: Any, options: dict[str, Any], body: str) -> str:
    text = (body if options["raw"] else interpolate(body, shell.user_ns)).strip()
    if not text:
        raise UsageError(f"There is no text; write it below %%{magic}, or after %{magic}.")
    return text


def _given(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What the line says; the rest is left to the model."""
    values = {name: options[name] for name in names}
    return {
        name: value
        for name, value in values.items()
        if value not in (None, []) and value is not False
    }


def _sound(shell: Any, name: str) -> Any:
    """A file, or what a name of the notebook stands for."""
    if Path(name).expanduser().is_file():
        return Path(name).expanduser()
    if name.partition(".")[0].isidentifier() and name.partition(".")[0] in shell.user_ns:
        return looked_up(shell, "audio", name)
    raise UsageError(f"%llm_transcribe: there is no file {name!r} and no variable of that name.")


def _kept(shell: Any, options: dict[str, Any], value: T) -> T:
    if options["as"]:
        shell.user_ns[options["as"]] = value
    return value
