"""The book's model on sines and cosines of the dihedrals: trained plainly, and judged."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from ...classification import predict_states
from ...datasets.sets import TrajectorySet
from ...files import paths
from ...generation import generate
from ...states import assign_states
from ...statistics import ratio_with_error
from ...training.recipes import TrainingConfig
from ..attention.maps import attention_maps
from .runs import N_WINDOW, SPLIT, STRIDE, boxes, count_passages, features, windows

TRAININGS = paths.TRAININGS
#: Frames between the starts of windows that are shown, and of those that are scored.
STEP_TRAIN, STEP_TEST = 2, 8
#: Passes over the windows, and how many trainings there are, of each size.
N_PASSES, SEEDS = {"small": 5, "medium": 5, "large": 2}, {"small": 3, "medium": 1, "large": 1}
#: Continuations, and frames of each, in which passages of the generator are looked for.
N_CONTINUED, N_MADE = 64, 250


def changes(size, seed):
    """What a training changes of the package's settings for data of one's own."""
    made = dict(batch_size=32, seed=seed, eval_every=400, save_every=400)
    if size == "large":  # see results/trainings_tried.json for what the usual rate gave
        made |= dict(learning_rate=3e-4, warmup_steps=150, eval_every=200, save_every=100)
    return made | {"n_passes": N_PASSES[size]}  # few: windows overlap much


def recipe(size, data, seed):
    """Settings of a training on the windows of `training_set`."""
    return TrainingConfig.for_data(size, data, **changes(size, seed))


def training_set(runs, potential):
    """Windows of the runs for training, with the state of their first frame."""
    frames = runs.dihedrals[list(SPLIT["train"]), ::STRIDE]
    states = assign_states(frames, potential)
    return TrajectorySet.from_arrays(features(frames), states, window=N_WINDOW, stride=STEP_TRAIN)


class Test:
    """Windows of the test runs, with what is to be found, and blocks for errors: windows that begin
    within the length of one another, for the slowest process takes half as long."""

    def __init__(self, runs, potential, step=STEP_TEST):
        self.dihedrals, run, start = windows(runs, "test", step, n_frames=N_WINDOW + 1)
        self.block = np.unique(10**6 * run + start // N_WINDOW, return_inverse=True)[1]
        self.frames = features(self.dihedrals)
        self.states = assign_states(self.dihedrals[:, 0], potential)

    def mean(self, values, others=None):
        """Mean of (n,) values, or ratio to the mean of others, and its error over blocks."""
        others = np.ones(len(self.block)) if others is None else others
        return ratio_with_error(*(np.bincount(self.block, v) for v in (values, others)))


def by_the_ring(frames):
    """psi of the first frame from a standardised window alone, (n,) of (n, n_frames, 4): the
    features of an angle lie on a circle, and means and deviations are those that put the window
    back on it."""
    z = frames - frames.mean(axis=1, keepdims=True)
    z = (z / z.std(axis=1, keepdims=True))[..., 2:].astype(float)
    found = []
    for points in z:
        design = np.hstack([points**2, points])
        a, b, c, d = np.linalg.lstsq(design, np.ones(len(points)), rcond=None)[0]
        size = 1 / (1 + c**2 / (4 * a) + d**2 / (4 * b))
        scale = np.sqrt(np.abs(np.array([a, b]) * size))
        place = np.array([c, d]) * size / (2 * scale) + scale * points[0]
        found.append(np.arctan2(*place))
    return np.array(found)


def tree_features(frames):
    """What boosted trees see: first frames and a coarse course of a standardised window."""
    z = frames - frames.mean(axis=1, keepdims=True)
    z = z / z.std(axis=1, keepdims=True)
    return np.concatenate([z[:, :8], z[:, 8::8]], axis=1).reshape(len(z), -1)


def baselines(runs, potential, test):
    """Accuracies with errors of those that need no transformer."""
    train = training_set(runs, potential)
    trees = HistGradientBoostingClassifier(random_state=0, max_iter=100, early_stopping=True)
    trees.fit(tree_features(train.trajectories), train.labels)
    shown = test.frames[:, :-1]
    # psi alone tells the states apart: phi is where it is most often
    phi = np.median(runs.dihedrals[list(SPLIT["train"])][..., 0])
    ring = np.stack([np.full(len(shown), phi), by_the_ring(shown)], axis=-1)
    majority = np.bincount(train.labels).argmax()
    guesses = {
        "majority": np.full(len(shown), majority),
        "boosted trees": trees.predict(tree_features(shown)),
        "the ring": assign_states(ring, potential),
    }
    return {name: test.mean(guess == test.states) for name, guess in guesses.items()}


def next_frame_means(runs, n_boxes=36):
    """The mean next frame given the box of the present one, a function of (n, 2) dihedrals; boxes
    never left give the frame itself."""
    whole = runs.dihedrals[list(SPLIT["train"])]
    now, later = whole[:, :-STRIDE].reshape(-1, 2), features(whole[:, STRIDE:]).reshape(-1, 4)

    step = later - features(now)
    number, n = boxes(now, n_boxes), n_boxes**2
    sums = np.stack([np.bincount(number, step[:, k], n) for k in range(4)], axis=-1)
    means = sums / np.maximum(np.bincount(number, minlength=n), 1)[:, None]
    return lambda dihedrals: features(dihedrals) + means[boxes(dihedrals, n_boxes)]


def skills(test, forecasts):
    """1 - squared error over that of persistence, of {name: (n, 4) forecasts}, with errors."""
    now, after = test.frames[:, -2], test.frames[:, -1]
    standing = ((now - after) ** 2).sum(axis=1)
    found = {}
    for name, forecast in forecasts.items():
        ratio, error = test.mean(((forecast - after) ** 2).sum(axis=1), standing)
        found[name] = (1 - ratio, error)
    return found


def judge(model, runs, minima, test):
    """Accuracy, skill of the next frame, and passages of the continuations of a model."""
    shown = test.frames[:, :-1]
    labels, _ = predict_states(model, shown, progress=False)
    forecast = generate(model, shown, 1, progress=False)[:, -1]
    chosen = np.linspace(0, len(shown) - 1, N_CONTINUED).astype(int)
    made = generate(model, shown[chosen], N_MADE, progress=False)[:, N_WINDOW:]
    angles = np.arctan2(made[..., ::2], made[..., 1::2])
    time, count = count_passages(angles, minima, STRIDE * runs.settings.frame_time)
    return {
        "accuracy": test.mean(labels == test.states),
        "skill": skills(test, {"model": forecast})["model"],
        "continued_ps": N_CONTINUED * N_MADE * STRIDE * runs.settings.frame_time,
        "passages": count.sum(axis=0).tolist(),
        "last_spread": float(made[:, -20:].std(axis=1).mean()),
        "real_spread": float(shown[:, -20:].std(axis=1).mean()),
    }


def attention(model, test, potential, n=48):
    """What the model attends to in test windows, averaged over heads, in units of uniform.

    "own_state": weight on frames in the own state, over the uniform one, by layer, with errors;
    "by_lag": by distance in frames; "example": map of the layer that favours its own state most,
    and psi, of one window that changes its state.
    """
    chosen = np.linspace(0, len(test.frames) - 1, n).astype(int)
    maps = attention_maps(model, test.frames[chosen, :-1], average="heads") * N_WINDOW
    angles = test.dihedrals[chosen, :-1]
    states = assign_states(angles, potential)
    moves = np.flatnonzero((states != states[:, :1]).sum(axis=1) > N_WINDOW // 4)
    same = states[:, None, :, None] == states[:, None, None, :]
    average = maps.mean(axis=2, keepdims=True)
    ratio = (maps * same)[moves].sum(axis=(2, 3)) / (average * same)[moves].sum(axis=(2, 3))
    lag = np.abs(np.subtract.outer(np.arange(N_WINDOW), np.arange(N_WINDOW)))
    per_lag = np.bincount(lag.ravel())
    mean = maps.mean(axis=0)
    by_lag = [np.bincount(lag.ravel(), layer.ravel()) / per_lag for layer in mean]
    layer = int(ratio.mean(axis=0).argmax())
    return {
        "n_windows": len(moves),
        "own_state": ratio.mean(axis=0),
        "own_state_error": ratio.std(axis=0, ddof=1) / np.sqrt(len(moves)),
        "by_lag": np.array(by_lag),
        "layer": layer,
        "example": maps[moves[0], layer],
        "psi": angles[moves[0], :, 1],
    }
