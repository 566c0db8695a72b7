"""The attention of every training of the book, measured once; kept in ``results/attention``.

``python -m mb_support.studies attention`` measures all trainings whose weights are there, each into
a file of its own; see `files.results.keep`. Every training is compared with the same network
before its first step.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from ...datasets.sets import make_dataset
from ...files import paths
from ...files.results import keep, rounded
from ...model.inference import checkpoint_sizes
from ...states import assign_states
from ..kept_results import (
    checkpoint_training,
    load_measured,
    load_training,
    load_untrained,
    trained_names,
)
from .all_measures import measure
from .importance import agreement, deletions, gradient_importance, silenced
from .measures import kept_measures

RESULTS = paths.RESULTS / "attention"
#: Digits to which results are kept.
N_DIGITS = 4


@dataclass(frozen=True)
class AttentionMeasurement:
    """On which trajectories attention is measured, and how."""

    n_trajectories: int = 64
    n_both: int = 64  # that spend a twentieth of their time or more in each state
    n_frames: int = 511  # shown to the encoder, as in training
    section: int = 100  # frames of a sub-section
    n_pieces: int = 20  # of equal length, removed one by one
    n_removed: tuple = (10, 50, 200)  # frames removed together
    n_start: int = 10  # frames that count as the start, whose state is the answer
    family: str = "test"
    index: int = 7


def measured_trajectories(settings):
    """Trajectories (n, n_frames, 2), labels (n,), and numbers of those that visit both states: the
    first `n_trajectories`, then those that visit both and are not among them."""
    n_drawn = 8 * max(settings.n_trajectories, settings.n_both)
    drawn = make_dataset(n_drawn, settings.family, settings.index)
    frames = drawn.trajectories[:, : settings.n_frames]
    in_b = assign_states(frames).mean(axis=1)
    both = np.flatnonzero((in_b >= 0.05) & (in_b <= 0.95))[: settings.n_both]
    chosen = np.union1d(np.arange(settings.n_trajectories), both)  # ascending
    return frames[chosen], drawn.labels[chosen], np.searchsorted(chosen, both)


def example_trajectories(trajectories, both):
    """Numbers of one of `both` that divides its time most evenly, of those that chose no head, and
    of one that stays in a state."""
    unevenness = np.abs(assign_states(trajectories).mean(axis=1) - 0.5)
    held_back = both[len(both) // 2 :]
    return int(held_back[np.argmin(unevenness[held_back])]), int(np.argmax(unevenness))


def study(name, model, settings, report=print):
    """Everything that is kept of a training, such as "small-0", with its trained `model`."""
    x, labels, both = measured_trajectories(settings)
    n, size, found = settings.n_trajectories, name.rsplit("-", 1)[0], {}
    for which, weights in {"trained": model, "untrained": load_untrained(name)}.items():
        found[which] = measure(weights, x, settings.section)
        report(f"{name}: {which}, {len(x)} trajectories")
    content = {which: kept_measures(f, x, n, both) for which, f in found.items()}
    first = {key: values[:n] for key, values in found["trained"].items()}
    x, labels = x[:n], labels[:n]
    first["gradient"] = gradient_importance(model, x)
    content["agreement"] = agreement(model, x, first, settings.n_pieces)
    numbers = settings.n_removed, settings.n_start
    content["removed"] = deletions(model, x, labels, first, *numbers)
    content["unread"] = deletions(model, x, labels, first, *numbers, unread=True)
    content["layers"] = silenced(model, x, labels)
    if size == "small":
        content["small_heads"] = silenced(model, x, labels, heads=True)
    return rounded(content, N_DIGITS)


def make_part(name, folder=RESULTS, report=print, settings=None):
    """Make the file of one training, unless it is there and up to date."""
    settings = settings or AttentionMeasurement()
    model, digest = load_training(name)
    keep(
        folder / f"{name}.json",
        {"settings": asdict(settings), "weights": digest},
        lambda: study(name, model, settings, report),
        report=report,
        indent=None,
    )


def load_results(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS, settings=None):
    """What was kept, {size: {training: content}}, of sizes with a checkpoint; `ValueError` if
    nothing is of its weights, or something was made with other settings."""
    sizes = [size for size in sizes if size in checkpoint_sizes(checkpoints)]
    found = {
        size: {f"{size}-{seed}": content for seed, content in seeds.items()}
        for size, seeds in load_measured(sizes, folder, "attention", checkpoints).items()
    }
    wanted = json.loads(json.dumps(asdict(settings or AttentionMeasurement())))
    contents = {name: c for trained in found.values() for name, c in trained.items()}
    stale = [name for name, content in contents.items() if content["settings"] != wanted]
    if stale:
        raise ValueError(
            f"results in {folder} of {stale} were made with other settings: run "
            "python -m mb_support.studies attention"
        )
    return found


def repeats(results, models, trajectories, counts, tolerance=2e-3):
    """Whether the committed models give the kept shares of the key timesteps again, by size, on the
    first `counts[size]` trajectories and within a relative tolerance."""
    found = {}
    for size, model in models.items():
        kept, n = results[size][checkpoint_training(size)], counts[size]
        again = measure(model, trajectories[:n], kept["settings"]["section"])["share"]
        found[size] = bool(np.allclose(again, kept["trained"]["each"]["share"][:n], tolerance, 0))
    return found


def parts():
    """{name: function that measures and keeps it} of all trainings whose weights are there."""
    return {name: partial(make_part, name) for name in trained_names()}
