"""What a worker's process writes, in a process of its own: the capture takes over stdout."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys, time
from byzer_lab.secrets import Redactor
from byzer_lab.log_capture import LONGEST_LINE, LogCapture

key = "-----BEGIN-----" + chr(10) + "k" * 300 + chr(10) + "s3cret" * 100
LogCapture(Redactor([key]), lambda lines: None)
print(key)
for before in range(LONGEST_LINE - 700, LONGEST_LINE + 700, 25):
    for part in ("x" * before + "s3cret" * 50, "s3cret" * 50 + "y" * 10):
        os.write(1, part.encode())
        time.sleep(0.002)
    os.write(1, b"end" + b"z" * 5000 + bytes([10]))
    time.sleep(0.002)
print("done")
time.sleep(0.3)
"""


def test_no_part_of_a_secret_is_written() -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    written = process.stdout + process.stderr
    assert "done" in written
    for part in ("BEGIN", "kkkk", "s3cret", "cret"):
        assert part not in written
