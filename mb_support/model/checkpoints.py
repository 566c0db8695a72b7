"""Checkpoints on disk: written whole, checked before use, and never a riddle when damaged.

``python -m mb_support.model.checkpoints checkpoints/*`` says of each folder whether it is fit for
use; ``--seal`` writes checksums beside files that have none.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError, safe_open
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..files.whole_folders import MANIFEST, beside, place_of, replace_folder  # noqa: F401

CONFIG, WEIGHTS, RECORD = "config.json", "model.safetensors", "training.json"
#: What `Trainer` needs to go on, besides the random states of each process.
RUN_FILES = (CONFIG, WEIGHTS, "optimizer.pt", "scheduler.pt", "trainer_state.json")


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says which file and why."""


class CheckpointWarning(UserWarning):
    """A checkpoint is not what it should be, and something else was done instead."""


@contextmanager
def _readable(folder):
    # every way in which a disk refuses to give a file ends in the same kind of message
    try:
        yield
    except PermissionError as error:
        name = error.filename or folder
        raise CheckpointError(
            f"{name} cannot be read: permission denied. Give yourself access: chmod -R u+rwX "
            f"{folder}"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}"
        ) from None


def write_manifest(folder, names=None):
    """Write size and SHA-256 of files in a folder, by default all, to its ``manifest.json``."""
    folder = Path(folder)
    names = [p.name for p in folder.iterdir() if p.is_file()] if names is None else names
    entries = {
        name: {"size": (folder / name).stat().st_size, "sha256": _sha256(folder / name)}
        for name in sorted(set(names) - {MANIFEST})
        if (folder / name).exists()
    }
    # moved into place, so that it is never seen in part
    aside = folder / (MANIFEST + ".new")
    aside.write_text(json.dumps(entries, indent=1) + "\n")
    aside.replace(folder / MANIFEST)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path):
    """The JSON object in a file; a `CheckpointError` if it is missing or damaged."""
    if not path.exists():
        raise CheckpointError(f"{path} is missing: {path.parent} is not a whole checkpoint")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(
            f"{path} is not readable as JSON ({path.stat().st_size} bytes): it is damaged"
        ) from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must hold a JSON object; got a {type(values).__name__}")
    return values


def _check_manifest(folder, names):
    # files without an entry pass: the manifest came later than they did, or was never written
    if not (folder / MANIFEST).exists():
        return
    entries = read_json(folder / MANIFEST)
    for name in names:
        if name not in entries or not (folder / name).exists():
            continue
        size = (folder / name).stat().st_size
        if size != entries[name].get("size"):
            raise CheckpointError(
                f"{folder / name} has {size} bytes, but was written with "
                f"{entries[name].get('size')}: it is damaged"
            )
        if _sha256(folder / name) != entries[name].get("sha256"):
            raise CheckpointError(
                f"{folder / name} is not the file that was written (its SHA-256 differs from "
                f"{MANIFEST}): it is damaged, or was replaced by hand"
            )


def weight_files(folder):
    """Names of the files of a folder that hold weights: one, unless saved in shards or variants."""
    return sorted(path.name for path in Path(folder).glob("model*.safetensors"))


def has_weights(folder):
    """Whether a folder holds weights, in one file or several."""
    return any((folder / name).exists() for name in (WEIGHTS, f"{WEIGHTS}.index.json"))


def _weights(path):
    # name -> shape, after a look at every number
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: {path.parent} is not a whole checkpoint")
    with open(path, "rb"):
        pass  # a missing permission shows here as what it is
    shapes, bad = {}, []
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                tensor = file.get_tensor(name)
                shapes[name] = tuple(tensor.shape)
                if not torch.isfinite(tensor).all():
                    bad.append(name)
    except SafetensorError:
        raise CheckpointError(
            f"{path} is truncated or no safetensors file ({path.stat().st_size} bytes)"
        ) from None
    if bad:
        raise CheckpointError(f"{path} holds NaN or infinite weights in {_some(bad)}")
    return shapes


def _some(names, n=3):
    names = sorted(names)
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")


def _check_config(folder, model_class):
    path, config_class = folder / CONFIG, model_class.config_class
    values = read_json(path)
    if values.get("model_type") != config_class.model_type:
        raise CheckpointError(
            f"{path} describes a model of type {values.get('model_type')!r}; "
            f"{model_class.__name__} loads {config_class.model_type!r} only"
        )
    unknown = set(values) - set(config_class().to_dict())
    if unknown:
        raise CheckpointError(f"{path} has unknown settings: {_some(unknown)}")
    written_by = str(values.get("transformers_version"))
    if written_by.split(".")[:2] != transformers.__version__.split(".")[:2]:
        warnings.warn(
            f"{path} was written with transformers {written_by}, this is "
            f"{transformers.__version__}: loading all the same; requirements.lock has the "
            "version that the book was made with",
            CheckpointWarning,
            stacklevel=4,
        )
    try:
        return config_class.from_dict(values)
    except Exception as error:  # whatever the library's own checks raise
        raise CheckpointError(f"{path} has an impossible setting: {error}") from None


def check_checkpoint(folder, model_class, config=None):
    """Make sure that a folder holds a model of a class, whole and with finite weights.

    `config` is used instead of the folder's ``config.json``. Returns the folder to load: it is
    `folder`, unless that was just being replaced when its writer died; then it is the one before,
    and a `CheckpointWarning` says so. A `CheckpointError` names the file and what is wrong with
    it. Of weights saved in shards or as a variant only the checksums are looked at here.
    """
    folder = Path(folder)
    with _readable(folder):
        if not folder.exists():
            folder = _replaced(folder)
        if not folder.is_dir():
            raise CheckpointError(f"{folder} is a file: give the folder that holds {WEIGHTS}")
        if config is None:
            config = _check_config(folder, model_class)
        files = weight_files(folder)
        in_parts = bool(files) and WEIGHTS not in files
        shapes = {} if in_parts else _weights(folder / WEIGHTS)
        _check_manifest(folder, files)  # people do edit config.json
    if not in_parts:
        _check_shapes(folder, model_class, config, shapes)
    return folder


def _check_shapes(folder, model_class, config, shapes):
    try:
        with torch.device("meta"):
            wanted = {k: tuple(v.shape) for k, v in model_class(config).state_dict().items()}
    except Exception as error:  # whatever the layers raise
        raise CheckpointError(f"{folder / CONFIG} describes no model: {error}") from None
    missing, unknown = set(wanted) - set(shapes), set(shapes) - set(wanted)
    if missing or unknown:
        faults = (("it lacks", missing), ("it has unknown", unknown))
        raise CheckpointError(
            f"{folder / WEIGHTS} holds another model: "
            + "; ".join(f"{what} {_some(names)}" for what, names in faults if names)
        )
    wrong = [name for name in sorted(wanted) if wanted[name] != shapes[name]]
    if wrong:
        raise CheckpointError(
            f"{folder / WEIGHTS} has a wrong size: {wrong[0]} is {shapes[wrong[0]]}, but "
            f"{CONFIG} asks for {wanted[wrong[0]]}"
        )


def _replaced(folder):
    # `replace_folder` was interrupted between its two renames: the old folder is whole
    old = beside(place_of(folder), "old")
    if old.is_dir():
        warnings.warn(
            f"{folder} is missing, its replacement was interrupted: using the one before, {old}",
            CheckpointWarning,
            stacklevel=4,
        )
        return old
    parent = folder.parent
    there = sorted(p.parent.name for p in parent.glob(f"*/{CONFIG}")) if parent.is_dir() else []
    raise CheckpointError(
        f"there is no checkpoint {folder.absolute()}; {parent.absolute()} has {there or 'none'}. "
        "Models are loaded from local folders only, such as checkpoints/small"
    )


def read_record(folder):
    """The training record beside a model's weights, the content of ``training.json``."""
    with _readable(folder):
        return read_json(Path(folder) / RECORD)


def check_run_checkpoint(folder):
    """Make sure that `Trainer` can go on from a ``checkpoint-<step>``: `CheckpointError` if a file
    is missing, was not written to its end, or holds NaN weights."""
    folder = Path(folder)
    with _readable(folder):
        names = [path.name for path in folder.iterdir()]
        missing = [name for name in RUN_FILES if name not in names]
        if missing or not any(name.startswith("rng_state") for name in names):
            raise CheckpointError(f"{folder} lacks {_some(missing or ['rng_state.pth'])}")
        state = read_json(folder / "trainer_state.json")
        _weights(folder / WEIGHTS)
        _check_manifest(folder, names)
        for name in names:
            if name.endswith((".pt", ".pth")):
                _check_zip(folder / name)
    if f"{PREFIX_CHECKPOINT_DIR}-{state.get('global_step')}" != folder.name:
        raise CheckpointError(f"{folder} says it is of step {state.get('global_step')}")


def _check_zip(path):
    # torch.save writes zip archives, which carry a checksum of each entry
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        damaged = "its directory"
    if damaged:
        raise CheckpointError(f"{path} is truncated or damaged ({damaged})")


def newest_whole_checkpoint(run_folder):
    """The last checkpoint of an interrupted run that can be gone on from, or None. Damaged ones are
    moved aside, to ``damaged-<step>``, and a `CheckpointWarning` names them."""
    for step, folder in sorted(_run_checkpoints(run_folder), reverse=True):
        try:
            check_run_checkpoint(folder)
            return folder
        except CheckpointError as error:
            aside = _free_name(folder.with_name(f"damaged-{step}"))
            folder.rename(aside)
            warnings.warn(
                f"not going on from step {step}: {error}. Moved to {aside.name}; falling back "
                "on the checkpoint before",
                CheckpointWarning,
                stacklevel=3,
            )
    return None


def _run_checkpoints(run_folder):
    # (step, folder) of every checkpoint that Trainer began to write
    for folder in Path(run_folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        if match := re.fullmatch(rf"{PREFIX_CHECKPOINT_DIR}-(\d+)", folder.name):
            yield int(match[1]), folder


def _free_name(path):
    names = (path.with_name(f"{path.name}.{i}") if i else path for i in range(10_000))
    return next(name for name in names if not name.exists())


def forget_run(run_folder):
    """Delete the checkpoints of a run that is to start anew."""
    for _, folder in list(_run_checkpoints(run_folder)):
        shutil.rmtree(folder)


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.model.checkpoints",
        description="Check checkpoints of finished trainings.",
    )
    parser.add_argument("folders", nargs="+", type=Path, help="such as checkpoints/small")
    parser.add_argument("--seal", action="store_true", help=f"write {MANIFEST} for whole ones")
    return parser


def main(arguments=None):
    """Command line: say of each folder whether it is a whole checkpoint."""
    from .transformer import TrajectoryTransformer

    options = command_parser().parse_args(arguments)
    n_bad = 0
    for folder in options.folders:
        try:
            check_checkpoint(folder, TrajectoryTransformer)
            read_record(folder)
        except CheckpointError as error:
            n_bad += 1
            print(f"{folder}: {error}")
            continue
        if options.seal:
            write_manifest(folder)
        print(f"{folder}: whole")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
