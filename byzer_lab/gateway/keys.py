"""Keys for ``/v1``: named, revocable, kept as hashes, each with limits of its own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from byzer_lab.bounds import NAME_PATTERN
from byzer_lab.config import write_private
from byzer_lab.errors import ConflictError, InvalidRequestError, NotFoundError
from byzer_lab.records import CreatedKey, KeyRecord, NewKey

PREFIX = "bl-"
SHOWN = 7
"""So many characters of a key are kept, to tell keys apart."""


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def given_key(key: str) -> KeyRecord:
    """The record of a key that the server was started with."""
    return KeyRecord(name="--api_key", hash=hash_of(key))


def matching(keys: Iterable[KeyRecord], key: str) -> KeyRecord | None:
    """The record that a key opens."""
    given = hash_of(key)
    return next((record for record in keys if hmac.compare_digest(record.hash, given)), None)


class KeyStore:
    """The keys of one cluster, in a file that its owner alone can read.

    Args:
        path: Where the file is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, KeyRecord] = {}
        if path.exists():
            found = msgspec.json.decode(path.read_bytes(), type=list[KeyRecord])
            self._records = {record.name: record for record in found}

    def all(self) -> list[KeyRecord]:
        """Every key, in the order of their making."""
        return list(self._records.values())

    def create(self, asked: NewKey) -> CreatedKey:
        """Make a key.

        Raises:
            InvalidRequestError: The name or a limit is wrong.
            ConflictError: The name is taken.
        """
        if not NAME_PATTERN.fullmatch(asked.name):
            raise InvalidRequestError(
                f"{asked.name!r} can't name a key: use 1 to 63 letters, digits, '.', '_' or '-'."
            )
        for field in ("requests_per_minute", "tokens_per_minute"):
            if getattr(asked, field) < 0:
                raise InvalidRequestError(f"{field} is less than 0; 0 means no limit.")
        if asked.name in self._records:
            raise ConflictError(
                f"There is a key {asked.name!r} already; revoke it first, or choose another name."
            )
        key = PREFIX + secrets.token_urlsafe(32)
        record = KeyRecord(
            name=asked.name,
            hint=key[:SHOWN],
            hash=hash_of(key),
            requests_per_minute=asked.requests_per_minute,
            tokens_per_minute=asked.tokens_per_minute,
            created_at=time.time(),
        )
        self._save({**self._records, record.name: record})
        return CreatedKey(key, record)

    def revoke(self, name: str) -> KeyRecord:
        """Forget a key; requests with it are refused from now on.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self._records:
            raise NotFoundError(f"There is no key {name!r}.")
        left = dict(self._records)
        gone = left.pop(name)
        self._save(left)
        return gone

    def _save(self, records: dict[str, KeyRecord]) -> None:
        write_private(self._path, msgspec.json.encode(list(records.values())).decode())
        self._records = records
