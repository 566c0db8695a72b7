"""Execute the chapters: jupytext turns each source into a notebook, papermill runs it.

A chapter is skipped when nothing it depends on has changed: its source, the modules of the package
that it imports, directly or not, the lock file, the profile, the committed checkpoints and results.
Chapters do not depend on each other: several run at a time. Each run leaves a record (duration,
commit, parameters) for the page that says how the book was made.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import jupytext
import nbformat
import papermill
import yaml
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from mb_support.files.cache import writable
from mb_support.files.sources import imported_by

ROOT = Path(__file__).resolve().parents[1]
#: What every chapter's result can depend on, besides its source and the modules that it imports.
SHARED_INPUTS = ("checkpoints", "results", "requirements.lock", "tools/chapters.py")
#: Chapters executed at the same time; they share the cores evenly.
AT_A_TIME = min(2, os.cpu_count() or 1)
#: Chapters that take longest: they begin first, so that none is left alone at the end.
LONGEST = ("01_potential", "07_attention", "05_generation", "06_classification", "02_data")
#: How often a kernel is started that does not come up.
N_STARTS = 3


class ChapterError(Exception):
    """A chapter failed; the message says which, where and why."""


class KernelNotStarted(RuntimeError):
    """The kernel of a chapter did not come up."""


def chapter_names(root=ROOT):
    """Names of the chapters in the order of `_toc.yml`, without folder and suffix."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [Path(file).name for file in files if file.startswith("notebooks/")]


def site_root(profile, root=ROOT):
    """Folder with the book's sources for a profile: the repository itself, or a staged copy.

    `poster` notebooks lie beside their sources in `notebooks/`, where the root `_config.yml`
    finds them; another profile gets a tree of its own, so that the two never overwrite each other.
    """
    return root if profile == "poster" else root / "_build" / profile


def notebook_path(name, profile, root=ROOT):
    """Where the executed notebook of a chapter is written."""
    return site_root(profile, root) / "notebooks" / f"{name}.ipynb"


def record_path(name, profile, root=ROOT):
    """Where the record of a chapter's last run is written."""
    return root / "_build" / "records" / profile / f"{name}.json"


def file_digest(path):
    """SHA-256 of one file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def tree_digest(paths):
    """SHA-256 over names and contents of files, and of all files in folders."""
    digest = hashlib.sha256()
    for top in map(Path, paths):
        files = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in files:
            if "__pycache__" in path.parts or path.name.startswith(".new-") or not path.exists():
                continue
            digest.update(f"{top.name}/{path.relative_to(top)}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def chapter_digests(profile, root=ROOT, unlisted=()):
    """Digest of all inputs of each chapter, as {name: digest}.

    `unlisted` names chapters in the making, which `_toc.yml` does not list yet.
    """
    python = ".".join(map(str, sys.version_info[:3]))
    shared = tree_digest(root / path for path in SHARED_INPUTS) + profile + python
    found = {}
    for name in [*chapter_names(root), *unlisted]:
        source = root / "notebooks" / f"{name}.py"
        own = [source, *sorted(imported_by(source, root / "mb_support"))]
        found[name] = hashlib.sha256((shared + tree_digest(own)).encode()).hexdigest()
    return found


def is_current(name, digest, profile, root=ROOT):
    """Whether the executed notebook is the result of exactly these inputs, and unchanged."""
    record, notebook = record_path(name, profile, root), notebook_path(name, profile, root)
    if not (record.exists() and notebook.exists()):
        return False
    made = json.loads(record.read_text())
    return made["digest"] == digest and made["output"] == file_digest(notebook)


def put_aside(name, profile, root=ROOT):
    """Rename an executed notebook that a reader has edited; its new path, or None."""
    record, notebook = record_path(name, profile, root), notebook_path(name, profile, root)
    if not (record.exists() and notebook.exists()):
        return None
    if json.loads(record.read_text())["output"] == file_digest(notebook):
        return None
    names = (f"{name}.edited{number}.ipynb" for number in ("", *range(2, 1000)))
    kept = next(path for path in map(notebook.with_name, names) if not path.exists())
    return notebook.rename(kept)


def commit(root=ROOT):
    """Commit of the checkout, marked if tracked files differ from it; "unknown" without git."""

    def git(*arguments):
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + (" with uncommitted changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def to_notebook(source):
    """Read a percent-format chapter as a notebook whose cell ids depend on the source only."""
    notebook = jupytext.read(source)
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
    notebook.metadata.setdefault("language_info", {"name": "python"})
    return notebook


def literal_parameters(notebook):
    """Values assigned in the cells tagged `parameters`, with papermill's overrides applied."""
    values = {}
    for cell in notebook.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    try:
                        values[node.targets[0].id] = ast.literal_eval(node.value)
                    except ValueError:
                        continue
    return values


def tidy(notebook):
    """Remove what differs from run to run, so that equal results give equal files.

    Returns the seconds of each code cell, which the record keeps instead.
    """
    seconds = {}
    notebook.metadata.pop("papermill", None)
    for index, cell in enumerate(notebook.cells):
        timing = cell.metadata.pop("papermill", {})
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-input"]
            cell.source = cell.source.replace("# Parameters", "# set by this build", 1)
        # a mark for nbval, of no use to the reader of the book
        cell.source = cell.source.removeprefix("# NBVAL_CHECK_OUTPUT\n")
        if cell.cell_type == "code" and timing.get("duration") is not None:
            first_line = cell.source.strip().split("\n")[0]
            seconds[f"{index}: {first_line}"] = round(timing["duration"], 2)
    return seconds


def kernel_environment(root=ROOT):
    """Environment in which chapters run: offline, and blind to the user's own Jupyter settings.

    Where the project cannot be written, or there is no home, temporary folders take their place.
    """
    cache = writable(root / ".cache")
    private = writable(cache / "jupyter")
    kernel = private / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    command += ["--log-level=ERROR"]  # it warns of its transport, which nobody here can change
    specification = {"argv": command, "display_name": "Python 3", "language": "python"}
    if not kernel.exists() or kernel.read_text() != json.dumps(specification):
        kernel.write_text(json.dumps(specification))  # once: other chapters may be reading it
    variables = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    if cache != root / ".cache":
        variables["MB_SUPPORT_CACHE"] = str(cache)
    home = os.path.expanduser("~")
    if not (os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)):
        variables["HOME"] = str(private)
    variables.setdefault("MPLCONFIGDIR", str(private / "matplotlib"))
    _list_fonts(variables)
    threads = str(max(1, (os.cpu_count() or 1) // AT_A_TIME))
    return variables | {
        "NUMBA_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "1",
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_PATH": str(private),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        # tqdm asks for widgets on import; a book has no use for them
        "PYTHONWARNINGS": "ignore:IProgress not found",
    }


def _list_fonts(variables):
    # Matplotlib looks for fonts once, and says so: it does here, and not on a page.
    if not list(Path(variables["MPLCONFIGDIR"]).glob("fontlist-*.json")):
        code = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(code, env=variables, capture_output=True)


def execute(name, target, parameters, root=ROOT):
    """Run one chapter.

    Parameters
    ----------
    name : str
        Name of the chapter.
    target : Path
        Where its notebook is written; after a failure, the notebook up to there lies beside it.
    parameters : dict
        What papermill sets.

    Returns
    -------
    seconds : float
    cells : dict
        Seconds of each code cell.

    Raises
    ------
    ChapterError
        If a cell fails or the kernel dies.
    """
    running = target.with_suffix(".failed.ipynb")
    running.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    nbformat.write(to_notebook(root / "notebooks" / f"{name}.py"), running)
    try:
        with patch.dict(os.environ, kernel_environment(root), clear=True):
            _run_notebook(running, parameters, root / "notebooks")
    except PapermillExecutionError as error:
        lines = [line for line in error.source.strip().split("\n") if line.strip()]
        raise ChapterError(
            f"chapter {name} failed\n  cell:  {lines[0] if lines else '(empty)'}\n"
            f"  error: {error.ename}: {error.evalue}\n  notebook up to there: {running}"
        ) from error
    except (DeadKernelError, KernelNotStarted) as error:
        raise ChapterError(f"chapter {name} failed\n  the kernel died: {error}") from error
    notebook = nbformat.read(running, as_version=4)
    cells = tidy(notebook)
    nbformat.write(notebook, target)
    running.unlink()
    return round(time.perf_counter() - started, 1), cells


def _run_notebook(path, parameters, folder):
    for attempt in range(N_STARTS):
        try:
            return papermill.execute_notebook(
                path,
                path,
                parameters=parameters,
                kernel_name="python3",
                cwd=folder,
                progress_bar=False,
            )
        except RuntimeError as error:
            # A kernel's ports are picked first and bound later: another one that starts at the
            # same time may have taken them. No cell has run yet.
            if "before replying to kernel_info" not in str(error):
                raise
            if attempt == N_STARTS - 1:
                raise KernelNotStarted(f"it did not start {N_STARTS} times: {error}") from error


def run(profile, only=(), force=False, root=ROOT):
    """Bring the chapters of a profile up to date, `AT_A_TIME` of them at a time.

    Parameters
    ----------
    profile : str
        Name of a profile of `mb_support.profiles`.
    only : sequence of str
        Names of the chapters to look at; empty for all of them.
    force : bool
        Run a chapter even if it is up to date.

    Returns
    -------
    list of str
        The chapters that were executed.

    Raises
    ------
    ChapterError
        If a chapter fails; those that have not begun are not run.
    ValueError
        If `only` names a chapter that does not exist.
    """
    known = sorted(path.stem for path in (root / "notebooks").glob("*.py"))
    if set(only) - set(known):
        raise ValueError(f"unknown chapters {sorted(set(only) - set(known))}: choose from {known}")
    unlisted = [name for name in only if name not in chapter_names(root)]
    digests = chapter_digests(profile, root, unlisted)
    chosen = [name for name in digests if not only or name in only]
    stale = [n for n in chosen if force or not is_current(n, digests[n], profile, root)]
    for name in chosen:
        print(f"{name:24s} {'waiting' if name in stale else 'up to date'}", flush=True)
    for name in stale:
        if kept := put_aside(name, profile, root):
            print(f"{name}: the notebook was edited since it was made; it is now {kept}")
    began = time.perf_counter()
    if stale:
        kernel_environment(root)  # once, before several chapters would prepare it at a time
    # processes, as each sets the environment of its kernel
    with ProcessPoolExecutor(AT_A_TIME) as pool:
        jobs = {
            pool.submit(
                execute, name, notebook_path(name, profile, root), {"profile": profile}, root
            ): name
            for name in sorted(stale, key=_priority)
        }
        for number, job in enumerate(as_completed(jobs), start=1):
            name = jobs[job]
            label = f"[{number:2d}/{len(jobs)}] {name:24s}"
            if job.exception() is not None:
                print(f"{label} failed", flush=True)
                pool.shutdown(wait=False, cancel_futures=True)
                raise job.exception()
            seconds, cells = job.result()
            elapsed = time.perf_counter() - began
            print(f"{label} {seconds:6.1f} s   ({elapsed:.0f} s so far)", flush=True)
            _write_record(name, profile, digests[name], seconds, cells, root)
    return stale


def _priority(name):
    return LONGEST.index(name) if name in LONGEST else len(LONGEST), name


def _write_record(name, profile, digest, seconds, cells, root):
    notebook = notebook_path(name, profile, root)
    record = {
        "chapter": name,
        "profile": profile,
        "seconds": seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(root),
        "parameters": literal_parameters(nbformat.read(notebook, as_version=4)),
        "digest": digest,
        "output": file_digest(notebook),
        "cells": cells,
    }
    path = record_path(name, profile, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
