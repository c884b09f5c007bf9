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


DRAINED = """
import sys
from byzer_lab.secrets import Redactor
from byzer_lab.log_capture import LogCapture

came = []
capture = LogCapture(Redactor([]), lambda lines: came.extend(text for _, text in lines))
for number in range(200):
    print("line", number)
    sys.stdout.write(f"unfinished {number}")
    capture.drain()
    assert came[-2:] == [f"line {number}", f"unfinished {number}"], came[-3:]
assert len(came) == 400
"""


def test_what_was_written_is_handed_over() -> None:
    command = [sys.executable, "-c", DRAINED]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr[-1000:]
