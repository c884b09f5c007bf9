"""Run benchmarks and print their tables.

    python -m benchmarks                  # all of them
    python -m benchmarks calls streams    # some of them
    python -m benchmarks --quick          # fewer rounds: to see that they run

Each compares roads that take turns within one run, so that a busy machine slows all of them: read
the ratios. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time

BENCHMARKS = {
    "imports": "what importing costs",
    "calls": "a call without tokens, 1 client and 128 clients",
    "streams": "64 streams as fast as they go",
    "first_token": "time to the first token",
    "deploy": "a deployment on a warm cluster",
    "idle": "what an idle cluster uses",
    "transformers_engine": "continuous batching against one request at a time",
    "llama_cpp_engine": "streams in one context against one at a time",
    "sandbox": "a function that the model wrote, in the warm sandbox",
    "sql": "calls of a model in a query, against functions that the database calls",
    "typed_answers": "answers that fit a class, beside instructor and outlines",
    "structured_engine": "answers held to a JSON schema against free ones",
    "finetune_step": "a step of a finetuning beside a bare loop and trl",
    "vllm_streams": "64 streams through a deployment against vLLM in process",
}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="\n".join(f"{name:21}{what}" for name, what in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help="which; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there is: {', '.join(BENCHMARKS)}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, Python {platform.python_version()}, ", end="")
    print(f"{os.cpu_count()} cores, load average {load}", flush=True)
    failed = False
    for name in given.names or BENCHMARKS:
        print(f"\n## {name}: {BENCHMARKS[name]}", flush=True)
        # A process each: Ray reads the token of the first cluster that it meets and keeps it.
        failed |= (
            subprocess.run([sys.executable, "-c", _program(name, given.quick)]).returncode != 0
        )
    return int(failed)


def _program(name: str, quick: bool) -> str:
    if name.endswith("_engine"):  # a program of its own, too
        rounds = ["--rounds", "1"] if quick else []
        return f"import sys; sys.argv[1:] = {rounds}; from benchmarks import {name}; {name}.main()"
    return f"from benchmarks import {name}; {name}.run(quick={quick})"


if __name__ == "__main__":
    sys.exit(main())
