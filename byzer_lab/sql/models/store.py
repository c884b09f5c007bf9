"""Answers that were paid for once, by the hash of what was asked.

A SQLite file below the user's folder, readable by its owner only, shared by all kernels. It holds
answers and no questions: a question is there as its hash alone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from byzer_lab.config import home
from byzer_lab.errors import InvalidRequestError

AT_ONCE = 500
"""Keys of one look-up; SQLite bounds the number of parameters."""
BUSY_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What came of one call.

    Attributes:
        output: Text of the answer; vectors and scores as JSON.
        error: One sentence where the call failed; then there is no output.
        input_tokens, output_tokens: As the model counted them.
    """

    output: str = ""
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens


class AnswerStore:
    """The kept answers. Usable from several threads and processes.

    Args:
        path: The file; default: ``sql/answers.db`` below Byzer Lab's home.

    Raises:
        InvalidRequestError: It can't be opened, or is no such file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "sql" / "answers.db"
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Made here, for its owner alone: SQLite gives its other files the same mode.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self.path.chmod(0o600)
            self._db = sqlite3.connect(self.path, timeout=BUSY_S, check_same_thread=False)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            self._db.execute(
                "create table if not exists answers (key blob primary key, model text not null, "
                "output text not null, input_tokens integer not null, "
                "output_tokens integer not null, at real not null) without rowid"
            )
            self._db.commit()
        except (OSError, sqlite3.Error) as error:
            raise InvalidRequestError(
                f"The answers kept in {self.path} can't be opened ({error}); remove the file, or "
                "set BYZER_LAB_HOME to another folder."
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """The answers that are known, by key."""
        found: dict[bytes, Answer] = {}
        with self._lock:
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._db.execute(
                    "select key, output, input_tokens, output_tokens from answers "
                    f"where key in ({marks})",
                    some,
                )
                found |= {row[0]: Answer(row[1], "", row[2], row[3]) for row in rows}
        return found

    def put(self, model: str, answers: Iterable[tuple[bytes, Answer]]) -> None:
        """Keep answers; failed ones are not kept, so that they are asked again."""
        now = time.time()
        rows = [
            (key, model, answer.output, answer.input_tokens, answer.output_tokens, now)
            for key, answer in answers
            if not answer.error
        ]
        with self._lock, self._db:
            self._db.executemany("insert or replace into answers values (?, ?, ?, ?, ?, ?)", rows)

    def forget(self, model: str | None = None) -> int:
        """Remove the answers of one model, or all; tells how many."""
        where, values = (" where model = ?", (model,)) if model else ("", ())
        with self._lock, self._db:
            return self._db.execute(f"delete from answers{where}", values).rowcount

    def count(self) -> int:
        """How many are kept."""
        with self._lock:
            return int(self._db.execute("select count(*) from answers").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
