"""The attention of every training of the book, measured once; kept in ``results/attention``.

``python -m mb_support.attention_study`` measures all trainings whose weights are there, each into
a file of its own. A file that is there already is not made again, unless its settings or weights
changed. Every training is compared with the same network before its first step.
"""

import json
from dataclasses import asdict, dataclass, field

import numpy as np

from . import paths
from .attention import attention_maps, summarise_attention
from .attention_by_trajectory import kept_measures, measure
from .attention_experiments import agreement, deletions, silenced
from .datasets import make_dataset
from .inference import checkpoint_sizes, load_checkpoint, weights_digest
from .model import SIZES, TrajectoryTransformer
from .records import keep, rounded, run_study
from .states import assign_states
from .training.recipes import N_SEEDS, trainings
from .training.run import new_model

RESULTS = paths.RESULTS / "attention"
#: Digits to which results are kept.
N_DIGITS = 4


@dataclass(frozen=True)
class AttentionMeasurement:
    """On which trajectories attention is measured, and how.

    Parameters
    ----------
    n_trajectories : int
        Of the family, from the first on.
    n_both : int
        Trajectories that spend a twentieth of their time or more in each state, from the first
        on: those that can show whether attention follows states.
    n_frames : int
        Frames shown to the encoder: those that training shows it.
    section : int
        Length of sub-sections and windows, frames.
    n_pieces : int
        Pieces of equal length that are removed one by one.
    n_removed : tuple of int
        Numbers of frames removed together.
    n_experiments : dict of str to int
        Trajectories from which frames are removed, and on which heads are silenced, by size.
    family, index : str, int
        Seeds of the trajectories.
    """

    n_trajectories: int = 64
    n_both: int = 64
    n_frames: int = 511
    section: int = 100
    n_pieces: int = 20
    n_removed: tuple = (10, 50, 200)
    n_experiments: dict = field(
        default_factory=lambda: {"small": 64, "medium": 32, "large": 32}, hash=False
    )
    family: str = "test"
    index: int = 7


def measured_trajectories(settings):
    """Trajectories of a study and their labels.

    Returns
    -------
    trajectories : (n, n_frames, 2) ndarray of float32
        The first `n_trajectories`, then those of `both` that are not among them.
    labels : (n,) ndarray of int
    both : (n_both,) ndarray of int
        Numbers of the trajectories that visit both states.
    """
    n_drawn = 8 * max(settings.n_trajectories, settings.n_both)
    drawn = make_dataset(n_drawn, settings.family, settings.index)
    frames = drawn.trajectories[:, : settings.n_frames]
    in_b = assign_states(frames).mean(axis=1)
    both = np.flatnonzero((in_b >= 0.05) & (in_b <= 0.95))[: settings.n_both]
    chosen = np.union1d(np.arange(settings.n_trajectories), both)  # ascending
    return frames[chosen], drawn.labels[chosen], np.searchsorted(chosen, both)


def mixed_trajectory(trajectories):
    """Index of the trajectory that divides its time most evenly between the two states."""
    return int(np.argmin(np.abs(assign_states(trajectories).mean(axis=1) - 0.5)))


def settled_trajectory(trajectories):
    """Index of the first trajectory that stays in one state, or comes nearest to it."""
    return int(np.argmax(np.abs(assign_states(trajectories).mean(axis=1) - 0.5)))


def untrained(name):
    """The model of a training before its first step, in evaluation mode."""
    return new_model(trainings()[name]).eval()


def study(name, model, settings, report=print):
    """Everything that is kept of a training.

    Parameters
    ----------
    name : str
        Such as "small-0".
    model : TrajectoryTransformer
        The trained weights.
    settings : AttentionMeasurement
    report : callable

    Returns
    -------
    dict
    """
    x, labels, both = measured_trajectories(settings)
    n, size = settings.n_trajectories, name.rsplit("-", 1)[0]
    found = {}
    for which, weights in {"trained": model, "untrained": untrained(name)}.items():
        found[which] = measure(weights, x, settings.section)
        report(f"{name}: {which}, {len(x)} trajectories")
    m = min(settings.n_experiments[size], n)
    few = {key: values[:m] for key, values in found["trained"].items()}
    x_few, labels_few = x[:m], labels[:m]
    content = {which: kept_measures(f, x, n, both) for which, f in found.items()}
    content["agreement"] = agreement(model, x_few, few, settings.n_pieces)
    for part, unread in (("removed", False), ("unread", True)):
        content[part] = deletions(model, x_few, labels_few, few, settings.n_removed, unread)
    content["layers"] = silenced(model, x_few, labels_few)
    if size == "small":
        content["small_heads"] = silenced(model, x_few, labels_few, heads=True)
    return rounded(_as_lists(content), N_DIGITS)


def _as_lists(content):
    if isinstance(content, dict):
        return {key: _as_lists(value) for key, value in content.items()}
    return content.tolist() if isinstance(content, np.ndarray) else content


def training_names(size):
    """Names of the trainings of a size with the book's recipe, by seed."""
    return [f"{size}-{seed}" for seed in range(N_SEEDS[size])]


def checkpoint_training(size, checkpoints=paths.CHECKPOINTS):
    """Name of the training whose weights are the committed checkpoint of a size."""
    record = json.loads((checkpoints / size / "training.json").read_text())
    return f"{size}-{record['config']['seed']}"


def available(folder=paths.TRAININGS, checkpoints=paths.CHECKPOINTS):
    """Folders of the weights of those trainings whose weights are there, by name.

    Returns
    -------
    dict of str to Path
    """
    committed = {checkpoint_training(s, checkpoints): s for s in checkpoint_sizes(checkpoints)}
    found = {}
    for name in (name for size in SIZES for name in training_names(size)):
        if (folder / name / "model" / "training.json").exists():
            found[name] = folder / name / "model"
        elif name in committed:
            found[name] = checkpoints / committed[name]
    return found


def make_part(name, weights, folder=RESULTS, settings=None, report=print):
    """Make the file of one training, unless it is there and up to date.

    Parameters
    ----------
    name : str
    weights : path
        Folder of its weights.
    folder : path
    settings : AttentionMeasurement, optional
    report : callable
    """
    settings = settings or AttentionMeasurement()
    model = TrajectoryTransformer.from_pretrained(weights).eval()
    made_for = {"settings": asdict(settings), "weights": weights_digest(model)}
    keep(
        folder / f"{name}.json",
        made_for,
        lambda: study(name, model, settings, report),
        report=report,
        indent=None,
    )


def load_results(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS, settings=None):
    """What was kept of the trainings of some sizes.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : path
    settings : AttentionMeasurement, optional

    Returns
    -------
    dict of str to dict of str to dict
        By size, then by name of the training; sizes without a checkpoint are left out.

    Raises
    ------
    ValueError
        If there is nothing of a size that has a checkpoint, if a result was made with other
        settings, or if that of the checkpoint was made with other weights.
    """
    wanted = json.loads(json.dumps(asdict(settings or AttentionMeasurement())))
    found = {}
    for size in [size for size in sizes if size in checkpoint_sizes(checkpoints)]:
        files = {name: folder / f"{name}.json" for name in training_names(size)}
        found[size] = {n: json.loads(p.read_text()) for n, p in files.items() if p.exists()}
        stale = [name for name, kept in found[size].items() if kept["settings"] != wanted]
        name = checkpoint_training(size, checkpoints)
        weights = weights_digest(load_checkpoint(size, checkpoints))
        if name not in found[size] or found[size][name]["weights"] != weights:
            stale.append(name)
        if stale:
            raise ValueError(
                f"results in {folder} of {sorted(set(stale))} are missing or were made with other "
                "settings or weights: run python -m mb_support.attention_study"
            )
    return found


def repeats(results, models, trajectories, counts, tolerance=2e-3):
    """Whether the committed models give the kept shares of the key timesteps again.

    Parameters
    ----------
    results : dict
        From `load_results`.
    models : dict of str to TrajectoryTransformer
        Committed models, by size.
    trajectories : (n, n_frames, 2) ndarray of float32
        From `measured_trajectories`.
    counts : dict of str to int
        On how many of them, by size.
    tolerance : float
        Relative; results are kept to few digits.

    Returns
    -------
    dict of str to bool
        By size.
    """
    found = {}
    for size, model in models.items():
        kept, n = results[size][checkpoint_training(size)], counts[size]
        again = measure(model, trajectories[:n], kept["settings"]["section"])["share"]
        found[size] = bool(np.allclose(again, kept["trained"]["each"]["share"][:n], tolerance, 0))
    return found


def example_summaries(models, trajectory, section):
    """Attention of the committed models on one trajectory, and of the same networks untrained.

    Parameters
    ----------
    models : dict of str to TrajectoryTransformer
        Committed models, by size.
    trajectory : (1, n_frames, 2) ndarray of float32
    section : int
        Length of the windows, frames.

    Returns
    -------
    dict of str to AttentionSummary
        Keys such as "small" and "small untrained".
    """
    found = {}
    for size, model in models.items():
        networks = {size: model, f"{size} untrained": untrained(checkpoint_training(size))}
        for name, network in networks.items():
            found[name] = summarise_attention(network, trajectory, section)
    return found


def state_maps(results, models, moving, settled):
    """Attention maps that show whether attention follows states.

    Parameters
    ----------
    results : dict
        From `load_results`.
    models : dict of str to TrajectoryTransformer
        Committed models, by size.
    moving, settled : (n_frames, 2) ndarray of float32
        A trajectory that visits both states, and one that stays.

    Returns
    -------
    maps : list of (n_frames, n_frames) ndarray
        For each size: means over layers and heads on both trajectories; the heads that seek and
        that avoid their own state most, on the first. 1 is the uniform weight.
    states : list of (n_frames,) ndarray of int
    titles : list of str
    """
    maps, states, titles = [], [], []
    for size, model in models.items():
        extreme = results[size][checkpoint_training(size)]["trained"]["extreme"]
        maps += list(attention_maps(model, np.stack([moving, settled]), average="all"))
        titles += [f"{size}, both states", f"{size}, one state"]
        for verb in ("seeks", "avoids"):
            head = extreme[f"{verb} its own state"]
            of_layer = attention_maps(model, moving[None], [head["layer"] - 1])[0, 0]
            maps.append(of_layer[head["head"] - 1])
            titles.append(f"head {head['layer']}.{head['head']} {verb}")
        states += [assign_states(x) for x in (moving, settled, moving, moving)]
    return [weights * len(weights) for weights in maps], states, titles


def main(arguments=None):
    """Command line: see the module."""
    folders = available()
    run_study(
        __doc__.splitlines()[0], lambda name: make_part(name, folders[name]), folders, arguments
    )


if __name__ == "__main__":
    main()
