"""Secrets in the system's keyring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("keyring", reason="keyring is not installed here")

import keyring
from keyring.backend import KeyringBackend
from keyring.backends.null import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from byzer_lab.errors import ClusterError, NotFoundError
from byzer_lab.secret_store import (
    remove_secret,
    store_path,
    store_secret,
    store_words,
    stored_names,
    stored_secrets,
)
from byzer_lab.secrets import collect


class Kept(KeyringBackend):
    """A keyring in memory."""

    priority = 5  # type: ignore[assignment]
    is_locked = False

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.is_locked:
            raise KeyringLocked("Nobody unlocked it.")
        return self.values.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.values[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        try:
            del self.values[service, username]
        except KeyError as error:
            raise PasswordDeleteError("It is not there.") from error


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    monkeypatch.delenv("TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def kept() -> Iterator[Kept]:
    before = keyring.get_keyring()
    made = Kept()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


def test_values_are_in_the_keyring_and_names_in_the_file(kept: Kept) -> None:
    assert store_words() == "the system's keyring"
    store_secret("TOKEN", "hush-hush")
    assert "hush" not in store_path().read_text()
    assert list(kept.values.values()) == ["hush-hush"]
    assert stored_names() == ["TOKEN"]
    assert stored_secrets() == {"TOKEN": "hush-hush"}
    assert collect("${TOKEN}") == {"TOKEN": "hush-hush"}
    store_secret("TOKEN", "new")
    assert stored_secrets() == {"TOKEN": "new"}
    remove_secret("TOKEN")
    assert (kept.values, stored_names()) == ({}, [])
    with pytest.raises(NotFoundError, match="no stored secret 'TOKEN'"):
        remove_secret("TOKEN")


def test_another_home_has_other_secrets(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store_secret("TOKEN", "one")
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path / "other"))
    store_secret("TOKEN", "two")
    assert sorted(kept.values.values()) == ["one", "two"]


def test_values_of_the_file_stay_until_they_are_stored_anew(kept: Kept) -> None:
    keyring.set_keyring(NoKeyring())
    store_secret("TOKEN", "in the file")
    assert "in the file" in store_path().read_text()
    keyring.set_keyring(kept)
    assert stored_secrets() == {"TOKEN": "in the file"}
    store_secret("TOKEN", "hush")
    assert "file" not in store_path().read_text()


def test_a_keyring_that_does_not_answer(kept: Kept) -> None:
    store_secret("TOKEN", "hush")
    kept.is_locked = True
    assert stored_names() == ["TOKEN"]
    assert stored_secrets([]) == {}  # what nobody asks for is not looked up
    with pytest.raises(ClusterError, match="keyring refused: .*Nobody unlocked it"):
        stored_secrets()
    kept.is_locked = False
    kept.values.clear()
    with pytest.raises(ClusterError, match="has it no more; store it anew"):
        stored_secrets()
    keyring.set_keyring(NoKeyring())
    with pytest.raises(ClusterError, match="is not there now; store it anew"):
        stored_secrets()
    remove_secret("TOKEN")
    assert stored_names() == []
