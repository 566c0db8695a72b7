"""Everything `make test` checks, step by step; stops at the first step that fails."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
STEPS = {
    "style (ruff)": [BIN / "ruff", "check", "."],
    "format (ruff)": [BIN / "ruff", "format", "--check", "."],
    "unit tests": [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-m",
        "not book and not browser",
    ],
    "chapters and book, profile smoke": [
        sys.executable,
        "tools/build_book.py",
        "--profile",
        "smoke",
    ],
    "tests of the built book": [sys.executable, "-m", "pytest", "-q", "-m", "book"],
}


def main():
    begun = time.perf_counter()
    for number, (title, command) in enumerate(STEPS.items(), start=1):
        print(f"\n=== {number}/{len(STEPS)} {title}", flush=True)
        started = time.perf_counter()
        if subprocess.run(list(map(str, command)), cwd=ROOT).returncode:
            sys.exit(f"\nmake test: failed in step {number}, {title}")
        print(f"=== {time.perf_counter() - started:.0f} s", flush=True)
    print(
        f"\nmake test: everything passed in {time.perf_counter() - begun:.0f} s; "
        f"the test build of the book is {ROOT / '_build/smoke/_build/html/index.html'}"
    )


if __name__ == "__main__":
    main()
