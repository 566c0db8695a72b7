"""The leak measured: over training, by size, by window length; kept in ``results/leak``.

``python -m mb_support.leak_study`` trains three small models that differ in what a position may
see, measures them while they train, then measures the committed checkpoints. Each part is a file
of its own; a part that is there already is not made again, unless its settings or weights changed.
"""

import json
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
import transformers

from . import paths
from .datasets import FreshTrajectories, family_seed, make_dataset
from .forecast_scores import exact_forecast
from .generation import generate
from .inference import checkpoint_sizes, load_checkpoint, weights_digest
from .initialisation import start_as_waves
from .leak import (
    ExactNextFrame,
    FixedScaleTransformer,
    frame_errors,
    predict_next_frames,
    summarise,
)
from .model import SIZES, TrajectoryConfig, TrajectoryTransformer, fastest_attention
from .records import keep, run_study
from .training import save_checkpoint

#: What a position may see, and which statistics standardise it: class and `causal`.
VARIANTS = {
    "bidirectional": (TrajectoryTransformer, False),
    "causal": (TrajectoryTransformer, True),
    "causal_fixed": (FixedScaleTransformer, True),
}
RESULTS = paths.ROOT / "results" / "leak"


@dataclass(frozen=True)
class LeakTraining:
    """How the three small models are trained; the poster's loss on fresh trajectories.

    Parameters
    ----------
    n_frames : int
        Frames of a trajectory; the encoder is shown all but the last.
    n_steps, batch_size, learning_rate, warmup_steps : int, int, float, int
        AdamW with linear warm-up and cosine decay.
    measured : tuple of int
        Steps after which errors are measured.
    n_validation : int
        Validation trajectories on which they are.
    seed : int
    """

    n_frames: int = 65
    n_steps: int = 2500
    batch_size: int = 64
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    measured: tuple = (0, 30, 60, 125, 250, 500, 1000, 1750, 2500)
    n_validation: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class LeakMeasurement:
    """On which held-out trajectories the committed checkpoints are measured.

    Parameters
    ----------
    lengths : tuple of (n_frames, n_trajectories)
        Frames of a trajectory, the last of which is withheld, and how many are used.
    n_relax : int
        First positions left out of the interior: there trajectories still slide down the walls.
    distances : tuple of int
        Positions counted from the end, 1 being the last, at which errors are given one by one.
    """

    lengths: tuple = ((17, 2000), (65, 1000), (129, 600), (251, 400), (501, 200), (1000, 120))
    n_relax: int = 10
    distances: tuple = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45)


def measure(model, trajectories, exact, settings=None):
    """Errors in the interior, at the last position, and at distances from the end.

    Parameters
    ----------
    model : TrajectoryTransformer
    trajectories : (n, n_frames, 2) ndarray
    exact : ExactNextFrame
    settings : LeakMeasurement, optional

    Returns
    -------
    dict
        "interior" and "last": `LeakSummary` as a dictionary; "by_distance": a list of them, each
        with its "distance".
    """
    settings = settings or LeakMeasurement()
    errors = frame_errors(predict_next_frames(model, trajectories), trajectories, exact)
    n = errors.model.shape[1]
    first = min(settings.n_relax, n // 2)
    return {
        "interior": asdict(summarise(errors.over(slice(first, n - 1)))),
        "last": asdict(summarise(errors.over(slice(n - 1, n)))),
        "by_distance": [
            {"distance": d} | asdict(summarise(errors.over(slice(n - d, n - d + 1))))
            for d in settings.distances
            if d <= n - first
        ],
    }


def new_variant(name, seed=0):
    """An untrained small model of `VARIANTS`; all start from the same weights.

    Raises
    ------
    ValueError
        If there is no such variant.
    """
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}: choose one of {list(VARIANTS)}")
    model_class, causal = VARIANTS[name]
    config = TrajectoryConfig.of_size(
        "small",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.25,
        causal=causal,
    )
    transformers.set_seed(seed)
    model = model_class(config)
    start_as_waves(model)
    return model


def train_variant(name, settings, exact, report=print):
    """Train one variant, measuring it on the way.

    Parameters
    ----------
    name : str
        Key of `VARIANTS`.
    settings : LeakTraining
    exact : ExactNextFrame
    report : callable
        Is told the progress, a line at a time.

    Returns
    -------
    model : TrajectoryTransformer
    curve : list of dict
        As `measure`, each with its "step".
    """
    model = new_variant(name, settings.seed)
    model.set_attn_implementation(fastest_attention())
    n_items = settings.n_steps * settings.batch_size
    stream = FreshTrajectories(
        [(settings.n_frames, n_items)], family_seed("stream", 5000 + settings.seed)
    )
    held_out = make_dataset(
        settings.n_validation, "validation", index=50, n_frames=settings.n_frames
    ).trajectories
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
    )
    schedule = transformers.get_cosine_schedule_with_warmup(
        optimizer, settings.warmup_steps, settings.n_steps
    )
    curve = []
    for step in range(settings.n_steps + 1):
        if step in settings.measured:
            found = {"step": step} | measure(model, held_out, exact)
            curve.append(found)
            ratios = [found[place]["ratio"][0] for place in ("interior", "last")]
            report(
                f"{name} step {step}: error / floor {ratios[0]:.3f} inside, {ratios[1]:.3f} last"
            )
        if step == settings.n_steps:
            break
        model.train()
        items = stream.__getitems__(step * settings.batch_size + np.arange(settings.batch_size))
        batch = {
            key: torch.stack([item[key] for item in items]) for key in ("trajectories", "labels")
        }
        optimizer.zero_grad()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval(), curve


def rollout_errors(model, settings, solver, horizons=(1, 2, 3, 5, 8, 12, 20)):
    """Errors of continued trajectories, beside those of the exact conditional mean.

    Parameters
    ----------
    model : TrajectoryTransformer
    settings : LeakTraining
        Prompts are as long as what the encoder was shown in training.
    solver : GridSolver
    horizons : tuple of int
        Frames ahead.

    Returns
    -------
    list of dict
        For each horizon: "model", "exact" and "copy" (the prompt's last frame), mean squared
        distances in length^2 with standard errors.
    """
    n_prompt = settings.n_frames - 1
    frames = make_dataset(
        settings.n_validation, "validation", index=51, n_frames=n_prompt + max(horizons)
    )
    prompt, last = frames.trajectories[:, :n_prompt], frames.trajectories[:, n_prompt - 1]
    made = generate(model, prompt, max(horizons), progress=False)
    best = exact_forecast(solver, last, frames.config.frame_time, horizons).means
    found = []
    for number, horizon in enumerate(horizons):
        actual = frames.trajectories[:, n_prompt - 1 + horizon]
        forecasts = {
            "model": made[:, n_prompt - 1 + horizon],
            "exact": best[:, number],
            "copy": last,
        }
        errors = {name: ((f - actual) ** 2).sum(axis=-1) for name, f in forecasts.items()}
        found.append(
            {"horizon": horizon}
            | {
                name: (float(e.mean()), float(e.std(ddof=1) / np.sqrt(len(e))))
                for name, e in errors.items()
            }
        )
    return found


def _make(part, exact, report):
    # (settings and weights a part is made for, function that makes its body)
    if part in VARIANTS:
        settings = LeakTraining()

        def body():
            started = time.process_time()
            model, curve = train_variant(part, settings, exact, report)
            seconds = round(time.process_time() - started, 1)
            record = {"settings": asdict(settings), "curve": curve, "processor_time_s": seconds}
            save_checkpoint(model, record, paths.CACHE / "leak" / part)
            return {"curve": curve, "rollout": rollout_errors(model, settings, exact.solver)}

        return {"settings": asdict(settings)}, body
    settings, model = LeakMeasurement(), load_checkpoint(part)

    def body():
        found = []
        for n_frames, n_trajectories in settings.lengths:
            data = make_dataset(n_trajectories, "test", index=50, n_frames=n_frames)
            found.append(
                {"n_frames": n_frames} | measure(model, data.trajectories, exact, settings)
            )
            report(f"{part} {n_frames} frames: {found[-1]['interior']['ratio'][0]:.3f} inside")
        return {"lengths": found}

    return {"settings": asdict(settings), "weights": weights_digest(model)}, body


def make_part(part, exact, folder=RESULTS, report=print):
    """Make one file of the results, unless it is there and up to date.

    Parameters
    ----------
    part : str
        Key of `VARIANTS`, or a size with a committed checkpoint.
    exact : ExactNextFrame
    folder : path
    report : callable
    """
    keep(folder / f"{part}.json", *_make(part, exact, report), report=report)


def load_results(folder=RESULTS):
    """All parts that have been made, as {part: content}, variants first, then sizes."""
    names = [*VARIANTS, *SIZES]
    found = {name: folder / f"{name}.json" for name in names}
    return {n: json.loads(path.read_text()) for n, path in found.items() if path.exists()}


def kept_variants(folder=RESULTS):
    """Results of the three small models, as {name: content}.

    Raises
    ------
    ValueError
        If one of them has not been trained and measured.
    """
    kept = load_results(folder)
    if missing := [name for name in VARIANTS if name not in kept]:
        raise ValueError(
            f"no results of {missing} in {folder}: run python -m mb_support.leak_study "
            f"{' '.join(missing)}"
        )
    return {name: kept[name] for name in VARIANTS}


def kept_sizes(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """Results of those of `sizes` that were measured with the weights that lie there.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : path
        Where results and checkpoints lie.

    Returns
    -------
    dict
        {size: content}, in the order of `sizes`.

    Raises
    ------
    ValueError
        If there is none: results of other weights are not used.
    """
    kept, there = load_results(folder), checkpoint_sizes(checkpoints)
    found = {
        size: kept[size]
        for size in sizes
        if size in kept
        and size in there
        and kept[size]["weights"] == weights_digest(load_checkpoint(size, checkpoints))
    }
    if not found:
        raise ValueError(
            f"no results in {folder} are of the weights in {checkpoints} for any of "
            f"{list(sizes)}: run python -m mb_support.leak_study"
        )
    return found


def main(arguments=None):
    """Command line: see the module."""
    exact, names = ExactNextFrame(), [*VARIANTS, *checkpoint_sizes()]
    run_study(__doc__.splitlines()[0], lambda part: make_part(part, exact), names, arguments)


if __name__ == "__main__":
    main()
