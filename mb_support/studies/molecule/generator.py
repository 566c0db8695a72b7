"""The stochastic generator on the two angles, judged on passages, populations and memory."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from ...model.causal import sample
from ...statistics import bootstrap, jackknife, jensen_shannon_divergence
from ...training.causal import CausalTrainingConfig, train
from ...training.run import save_checkpoint
from ..kinetics.markov import markov_model
from . import kinetics
from .learning import TRAININGS
from .runs import SPLIT, STRIDE, boxes

#: Frames that generators see at once: with memory, and without.
CONTEXTS = {"memory": 4, "memoryless": 1}
N_SEEDS = 3
#: Boxes along each angle in which densities are compared, and lag (ps) of Markov state models.
N_BOXES, LAG_TIME = 36, 4.0
N_WALKERS, N_FRAMES = 400, 1000
#: Lags, in kept frames, of the Markov state models beside them: a frame of theirs, and `LAG_TIME`.
MARKOV_STRIDES = (STRIDE, 20)
#: Unit of displacements (radians), about their standard deviation over a frame.
SCALE = 0.5


def in_frames(runs, dihedrals, stride=STRIDE):
    """`Runs` of other trajectories, (n, n_frames, 2) radians, in frames `stride` kept frames apart:
    by default as far as those of generators."""
    settings = replace(runs.settings, frame_steps=stride * runs.settings.frame_steps)
    return replace(runs, dihedrals=dihedrals, settings=settings)


def recipe(kind, seed):
    """Settings of a training: those of Müller-Brown, with fewer steps for fewer windows.

    In twice as many steps the loss of the validation run rises again.
    """
    settings = {"kind": "angles", "context": CONTEXTS[kind], "seed": seed}
    return CausalTrainingConfig(n_steps=1500, eval_every=250, **settings)


def training_windows(runs, n_frames):
    """Windows of the training runs, (n, n_frames, 2): of all runs but the last, and of the last."""
    frames = runs.dihedrals[list(SPLIT["train"])].astype(np.float32)
    n = frames.shape[1] - (n_frames - 1) * STRIDE
    cut = frames[:, np.arange(n)[:, None] + STRIDE * np.arange(n_frames)]
    return cut[:-1].reshape(-1, n_frames, 2), cut[-1]


def trained(kind, seed, runs):
    """A generator of a kind of `CONTEXTS`, trained unless it is at hand, and its record."""
    folder, config = TRAININGS / f"molecule-{kind}-{seed}", recipe(kind, seed)
    data = training_windows(runs, config.window_length + 1)
    model, record = train(config, folder / "run", data=data, displacement_scale=SCALE)
    save_checkpoint(model, record, folder / "model")
    return model, record


def make_ensemble(model, runs, seed):
    """Walkers from frames of the training runs, as `Runs`."""
    frames = runs.dihedrals[list(SPLIT["train"])].reshape(-1, 2)
    starts = frames[np.random.default_rng(seed).choice(len(frames), N_WALKERS)]
    return in_frames(runs, sample(model, starts[:, None], N_FRAMES - 1, seed))


def describe(ensemble, minima, tested):
    """What `Runs` say, by name: an `Estimate` each, and numbers of passages.

    Mean passage times and slowest timescale (ps), the share of time with beta visited last, and
    "divergence" (nats) of the density from that of the `tested` angles, (n_runs, n_frames, 2).
    """
    by_walker, target = density(ensemble.dihedrals), density(tested).sum(axis=0)
    lag, n = round(LAG_TIME / ensemble.settings.frame_time), len(by_walker)
    counts = kinetics.transition_counts(ensemble, lag)
    return kinetics.passages(ensemble, minima) | {
        "slowest_timescale": bootstrap(
            lambda w: kinetics.timescales(counts, LAG_TIME, w, k=1)[0], n, n_samples=40
        ),
        "divergence": bootstrap(lambda w: jensen_shannon_divergence(w @ by_walker, target), n),
    }


def density(dihedrals):
    """Frames of each trajectory in each box, (n, N_BOXES**2)."""
    rows = [np.bincount(b.ravel(), minlength=N_BOXES**2) for b in boxes(dihedrals, N_BOXES)]
    return np.stack(rows)


def judged(kind, seed, runs, minima):
    """`describe` of a generator of a kind of `CONTEXTS`, and "training": what it cost and reached.

    Its density is compared with that of the test runs.
    """
    model, record = trained(kind, seed, runs)
    ensemble, tested = make_ensemble(model, runs, seed), runs.dihedrals[list(SPLIT["test"])]
    losses = [entry["eval_loss"] for entry in record["curve"] if "eval_loss" in entry]
    training = {"loss": losses[-1], "lowest_loss": min(losses)}
    training |= {name: record[name] for name in ("parameters", "processor_time_s")}
    return describe(ensemble, minima, tested) | {"training": training}


def markov_walkers(runs, lag, n_walkers, n_frames, seed=0):
    """`Runs` made by a reversible Markov state model of `runs`, in frames `lag` kept ones apart.

    Its boxes are those of `kinetics`. In a box, a walker has the angles of one of the frames there,
    drawn at random.
    """
    counts = kinetics.transition_counts(runs, lag).sum(axis=0)
    model = markov_model([csr_matrix(counts.astype(float))])
    draws = np.random.default_rng(seed)
    starts = draws.choice(model.n_states, n_walkers, p=model.stationary_distribution)
    chains = [model.simulate(n_frames, start=s, seed=seed + k) for k, s in enumerate(starts)]
    visited = np.asarray(model.count_model.state_symbols)[np.stack(chains)]
    frames = runs.dihedrals.reshape(-1, 2)
    _, box = np.unique(boxes(frames, kinetics.N_CELLS), return_inverse=True)
    by_box = np.argsort(box, kind="stable")
    n_there = np.bincount(box)
    first = np.cumsum(n_there) - n_there
    drawn = first[visited] + (draws.random(visited.shape) * n_there[visited]).astype(int)
    return in_frames(runs, frames[by_box[drawn]], lag)


def markov_too_long(lag, runs, minima):
    """How much longer the times of `markov_walkers` are than those of all runs in frames as far
    apart, as a share of these, and the errors: (value, standard error) of each of `TIMES`. Each run
    is left out of the model and of the counts alike."""

    def shares(chosen):
        learned_from = replace(
            runs, dihedrals=runs.dihedrals[np.intersect1d(chosen, SPLIT["train"])]
        )
        walkers = markov_walkers(learned_from, lag, N_WALKERS, N_FRAMES * STRIDE // lag)
        counted = in_frames(runs, runs.dihedrals[chosen, ::lag], lag)
        made, seen = (kinetics.counted_times(e, minima, LAG_TIME) for e in (walkers, counted))
        return made / seen - 1

    pairs = zip(*jackknife(shares, len(runs.dihedrals)), strict=True)
    return dict(zip(kinetics.TIMES, map(list, pairs), strict=True))


def only(runs, part):
    """`Runs` of a part of `SPLIT`."""
    return replace(runs, dihedrals=runs.dihedrals[list(SPLIT[part])])


def counted(runs, minima):
    """`describe` of the runs themselves; the divergence is that of the training runs."""
    tested = runs.dihedrals[list(SPLIT["test"])]
    ensemble = in_frames(runs, runs.dihedrals[:, ::STRIDE])
    divergence = describe(only(ensemble, "train"), minima, tested)["divergence"]
    return describe(ensemble, minima, tested) | {"divergence": divergence}


def rivals(runs, minima):
    """{name: `describe`} of what generators are compared with beside all runs: the test runs alone,
    and as many walkers as theirs, for as long, of Markov state models of the training runs.

    A Markov state model is looked at once in its lag, and so are the runs beside it.
    """
    tested, long = runs.dihedrals[list(SPLIT["test"])], MARKOV_STRIDES[-1]
    sets = {
        "test runs": only(in_frames(runs, runs.dihedrals[:, ::STRIDE]), "test"),
        f"every {long}": in_frames(runs, runs.dihedrals[:, ::long], long),
    } | {
        f"Markov {lag}": markov_walkers(
            only(runs, "train"), lag, N_WALKERS, N_FRAMES * STRIDE // lag
        )
        for lag in MARKOV_STRIDES
    }
    return {name: describe(ensemble, minima, tested) for name, ensemble in sets.items()}
