"""Results kept in files: what they were made for, from, and on; written whole or not at all."""

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from . import paths
from .whole_files import replace_file


def machine():
    """Processor and number of cores, or the name of the GPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"


def commit():
    """First ten digits of the commit checked out, or None outside a repository."""
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    try:
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def circumstances(*packages):
    """Where, with which versions of packages and from which commit a result is made: a dict."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    return {
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "versions": versions,
        "commit": commit(),
    }


def rounded(values, digits=6):
    """What JSON can hold: floats cut to significant digits, None for those not finite."""
    if is_dataclass(values):
        values = asdict(values)
    if isinstance(values, dict):
        return {str(key): rounded(value, digits) for key, value in values.items()}
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list | tuple):
        return [rounded(value, digits) for value in values]
    if isinstance(values, float):
        return float(f"{values:.{digits}g}") if np.isfinite(values) else None
    return values


def write_json(path, content, indent=1):
    """Write beside `path`, then move into its place: there is never half a file."""
    with replace_file(path) as fresh:
        fresh.write_text(json.dumps(content, indent=indent) + "\n")


def keep(path, made_for, make, packages=("torch", "transformers"), report=print, indent=1):
    """Make a result and keep it in a file, unless it is there and was made for the same.

    `made_for`, a dict of settings and weights that decide the result, is kept with it and compared;
    `make` takes nothing and gives a dict; of `packages` the versions are noted. `report` is told in
    a line what was done. True if the result had to be made.
    """
    made_for = json.loads(json.dumps(made_for))
    if path.exists():
        kept = json.loads(path.read_text())
        if {name: kept.get(name) for name in made_for} == made_for:
            report(f"{path.stem} is up to date")
            return False
    began, began_cpu = time.monotonic(), time.process_time()
    content = rounded(make())
    if taken := content.keys() & made_for.keys():
        raise ValueError(f"{path.stem}: result and settings both have {sorted(taken)}")
    record = {
        "wall_time_s": round(time.monotonic() - began, 1),
        "processor_time_s": round(time.process_time() - began_cpu, 1),
    }
    record |= circumstances(*packages)
    write_json(path, made_for | content | {"record": record}, indent)
    report(f"{path.stem} took {record['wall_time_s']} s")
    return True
