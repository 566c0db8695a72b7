"""What the figures of the attention chapter draw: curves with intervals, and maps."""

import numpy as np

from ...states import assign_states
from ...statistics import Z, bootstrap_mean
from ..kept_results import checkpoint_training, load_untrained
from .maps import attention_maps
from .tables import EXPERIMENTS
from .verdicts import label, values_of


def targets_of_heads(results):
    """Frames attended to by each head, (layers, heads) by training, and of one untrained a size."""
    keys, found = ("heads", "head_targets"), {}
    for size, trainings in results.items():
        found |= zip(trainings, values_of(trainings, "trained", *keys), strict=True)
        found[f"{size} untrained"] = values_of(trainings, "untrained", *keys)[0]
    return found


def intervals(results, *keys):
    """{training: (mean, low, high)} over trajectories of the values at nested keys; with "trained"
    first, also "small untrained", the mean over the trainings' starts."""
    found = {}
    for size, trainings in results.items():
        found |= zip(trainings, map(bootstrap_mean, values_of(trainings, *keys)), strict=True)
        if keys[0] == "trained":
            control = values_of(trainings, "untrained", *keys[1:])
            found[f"{size} untrained"] = bootstrap_mean(np.mean(control, axis=0))
    return found


def bands(results, profile):
    """A profile's mean and its 95% interval, (mean, low, high) by training."""
    found = {}
    for suffix, which in ((" untrained", "untrained"), ("", "trained")):
        for trainings in results.values():
            mean, error = (
                values_of(trainings, which, "means", profile, key) for key in ("mean", "se")
            )
            for name, m, e in zip(trainings, mean, error, strict=True):
                found[name + suffix] = m, m - Z * e, m + Z * e
    return found


def experiment_curves(results):
    """Probability of the true state by the number of frames removed, or left unread, none first:
    (mean, low, high) by experiment and size, then by which frames."""
    return {
        (name, label(size, trainings)): {
            order: bootstrap_mean(np.mean(values_of(trainings, part, order), axis=0))
            for order in next(iter(trainings.values()))[part]
        }
        for part, name in EXPERIMENTS.items()
        for size, trainings in results.items()
    }


def window_maps(models, trajectory, section):
    """Mean maps, in units of the uniform weight, and their titles, four for each size: first,
    middle and last sub-section, and the middle one before training."""
    n = len(trajectory)
    middle, last = n // section // 2, n // section - 1
    maps, titles = [], []
    for size, model in models.items():
        for network, k in ((model, 0), (model, middle), (model, last), (None, middle)):
            network = network or load_untrained(checkpoint_training(size))
            part = slice(k * section, (k + 1) * section)
            maps.append(n * attention_maps(network, trajectory[None], average="all")[0, part, part])
            titles.append(f"{part.start} to {part.stop - 1}" if network is model else "untrained")
    return maps, titles


def state_maps(results, models, moving, settled):
    """Maps, states and titles, four for each size: means on one trajectory that visits both states
    and on one that stays; the heads that seek and avoid their own state, on the first."""
    maps, states, titles = [], [], []
    for size, model in models.items():
        extreme = results[size][checkpoint_training(size)]["trained"]["extreme"]
        maps += list(attention_maps(model, np.stack([moving, settled]), average="all"))
        titles += ["mean, both states", "mean, one state"]
        for verb in ("seeks", "avoids"):
            head = extreme[f"{verb} its own state"]
            of_layer = attention_maps(model, moving[None], [head["layer"] - 1])[0, 0]
            maps.append(of_layer[head["head"] - 1])
            titles.append(f"L{head['layer']} H{head['head']} {verb}")
        states += [assign_states(x) for x in (moving, settled, moving, moving)]
    return [weights * len(weights) for weights in maps], states, titles
