"""Make .venv from requirements.lock; needs only Python 3.11 or newer, with venv and pip.

`make` calls this when the lock file is newer than the environment. Everything pip prints goes to
.venv/setup.log; the terminal sees the progress, and the log's end if something fails.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
LOG = ENVIRONMENT / "setup.log"
# On Linux the torch of PyPI needs several gigabytes of CUDA libraries. This index has the build
# without them; where it cannot be reached, pip goes on with the indexes the user configured.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def fail(message):
    sys.exit(f"set-up: {message}")


def create():
    """Create `.venv`, or keep it if its Python runs."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-c", "import pip"]).returncode == 0:
        return
    print(f"set-up: creating {ENVIRONMENT.name} with Python {sys.version.split()[0]}", flush=True)
    try:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        fail("Python cannot make environments here; on Debian: apt-get install python3-venv")


def pip(*arguments, total=0):
    """Run pip, log its output, and count the packages it collects."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    seen, counter = 0, sys.stdout.isatty() and total
    with LOG.open("a") as log:
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in run.stdout:
            log.write(line)
            log.flush()
            if re.match(r"Collecting |Requirement already satisfied", line):
                seen += 1
                if counter:
                    print(f"\rset-up: package {seen} of {total}", end="", flush=True)
                elif total and seen % 25 == 0:
                    print(f"set-up: package {seen} of {total}", flush=True)
            elif total and line.startswith("Installing collected packages"):
                print("\r" * bool(counter) + "set-up: installing (about a minute)", flush=True)
    if run.wait():
        print("".join(LOG.read_text().splitlines(keepends=True)[-25:]))
        fail(f"pip {arguments[0]} failed; its output is in {LOG.relative_to(ROOT)}")


def main():
    if sys.version_info < (3, 11):  # noqa: UP036 - the one script that may meet an older Python
        found = sys.version.split()[0]
        fail(f"needs Python 3.11 or newer, this is {found}; try make PYTHON=python3.11")
    create()
    LOG.write_text("")
    lock = ROOT / "requirements.lock"
    pins = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    print("set-up: torch without CUDA", flush=True)
    # --no-compile: most of the 20,000 files are never imported; those that are get compiled then
    install = ("install", "--no-deps", "--no-compile")
    pip(*install, "--retries", "1", "--extra-index-url", TORCH_CPU_INDEX, torch)
    pip(*install, "-r", str(lock), total=len(pins))
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    pip("check")
    if subprocess.run([PYTHON, "-c", "import torch"]).returncode:
        fail(f"torch does not load; install its CPU build from {TORCH_CPU_INDEX} into .venv")
    print("set-up: .venv is ready", flush=True)


if __name__ == "__main__":
    main()
