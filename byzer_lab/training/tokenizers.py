"""Tokenizers of the Hugging Face kind, and SentencePiece files alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from byzer_lab.errors import InvalidRequestError, describe

SENTENCEPIECE = "tokenizer.model"
_OWN_FILES = ("tokenizer_config.json", "tokenizer.json")


@dataclass(frozen=True)
class Tokenizer:
    """Text to tokens.

    Attributes:
        library: The transformers library's tokenizer.
        end: Token that ends a text; ``None`` where there is none.
        file: The SentencePiece file that it was made of, where it was one.
    """

    library: Any
    end: int | None
    file: Path | None = None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of texts, without any at their beginning or end."""
        found: list[list[int]] = self.library(
            list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return found

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self.library)

    def save(self, folder: Path) -> None:
        """Save it into a model's folder."""
        self.library.save_pretrained(folder)
        if self.file is not None:
            shutil.copyfile(self.file, folder / SENTENCEPIECE)


def read_tokenizer(path: str, *, trust_remote_code: bool = False) -> Tokenizer:
    """Load a tokenizer.

    Args:
        path: A folder or hub id of the Hugging Face kind, or a SentencePiece file, or a folder
            with one and nothing else.
        trust_remote_code: Run Python code that comes with it.

    Raises:
        InvalidRequestError: There is none, or it is broken.
    """
    place = Path(path).expanduser()
    if place.is_dir() and not any((place / name).is_file() for name in _OWN_FILES):
        place = place / SENTENCEPIECE if (place / SENTENCEPIECE).is_file() else place
    try:
        if place.is_file() and place.name not in _OWN_FILES:
            return _of_sentencepiece(place)
        name = str(place.parent) if place.is_file() else str(place) if place.exists() else path
        library = AutoTokenizer.from_pretrained(
            name, trust_remote_code=trust_remote_code, local_files_only=place.exists()
        )
    except Exception as error:
        raise InvalidRequestError(
            f"The tokenizer {path!r} can't be loaded: {describe(error)}. Give a folder with a "
            "tokenizer.json, or a SentencePiece file."
        ) from error
    return Tokenizer(library, library.eos_token_id)


def _of_sentencepiece(file: Path) -> Tokenizer:
    from sentencepiece import SentencePieceProcessor
    from transformers import LlamaTokenizer

    pieces = SentencePieceProcessor(model_file=str(file))
    names = {
        key: pieces.id_to_piece(number)
        for key, number in (
            ("unk_token", pieces.unk_id()),
            ("bos_token", pieces.bos_id()),
            ("eos_token", pieces.eos_id()),
        )
        if number >= 0
    }
    library = LlamaTokenizer.from_pretrained(str(file.parent), vocab_file=str(file), **names)
    return Tokenizer(library, library.eos_token_id, file)
