"""A process that finetunes, to be killed: ``python -m tests.support.killed < spec.json``."""

from __future__ import annotations

import sys

import msgspec

from byzer_lab.jobs import JobSpec
from tests.support.notes import Notes

if __name__ == "__main__":
    from byzer_lab.training.sft.training import run

    run(msgspec.json.decode(sys.stdin.buffer.read(), type=JobSpec), Notes())
