"""Everything `make test` checks, step by step; stops at the first step that fails."""

import subprocess
import sys
import time
from pathlib import Path

from chapters import kernel_environment
from references import ReferenceError, prepare

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
COMPARISON = ROOT / "_build" / "nbval"
#: Chapters that nbval runs once more. The marked numbers of the others are compared as the test
#: build left them: another run of each would take minutes.
RUN_TWICE = ("01_potential", "02_data", "03_model")
PYTEST = [sys.executable, "-m", "pytest", "-q"]
STEPS = {
    "style": [BIN / "ruff", "check", "."],
    "format": [BIN / "ruff", "format", "--check", "."],
    "unit tests": [*PYTEST, "-n", "2", "-m", "not book and not browser and not slow"],
    "chapters and book with small numbers": [
        *(sys.executable, "tools/build_book.py", "--profile", "smoke")
    ],
    "tests of the built book; exact chapters once more (nbval)": [
        *(*PYTEST, "-m", "not slow", "tests/test_book.py"),
        *("-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"),
        *("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "300"),
        *("--nbval-sanitize-with", "tests/nbval_sanitize.cfg", COMPARISON),
    ],
}


def main():
    begun = time.perf_counter()
    for number, (title, command) in enumerate(STEPS.items(), start=1):
        print(f"\n=== {number}/{len(STEPS)} {title}", flush=True)
        started = time.perf_counter()
        if COMPARISON in command:
            try:
                prepare(COMPARISON, RUN_TWICE)
            except ReferenceError as error:
                sys.exit(f"\nmake test: {error}")
        done = subprocess.run(list(map(str, command)), cwd=ROOT, env=kernel_environment())
        if done.returncode:
            sys.exit(f"\nmake test: failed in step {number}, {title}")
        print(f"=== {time.perf_counter() - started:.0f} s", flush=True)
    print(
        f"\nmake test: everything passed in {time.perf_counter() - begun:.0f} s; "
        f"the test build of the book is {ROOT / '_build/smoke/_build/html/index.html'}"
    )


if __name__ == "__main__":
    main()
