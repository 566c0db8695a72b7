"""Forecasts and continuations of every training of the recipes; kept in ``results/generation``.

A file for each training whose weights are at hand, and one for the exact answers on the same
trajectories. Squared errors are kept trajectory by trajectory.
"""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from ...datasets.sets import make_dataset
from ...files import paths
from ...files.results import keep, rounded
from ...generation import generate
from ...model.inference import weights_digest
from ...model.settings import SIZES
from ...reference.forecast import exact_forecast
from ...reference.solver import GridSolver
from ...simulation.settings import REGIMES
from ..kept_results import load_measured, load_part, load_training, trained_names
from .continuations import echo, how_they_end, one_step_forecasts, squared_errors

RESULTS = paths.RESULTS / "generation"
EXACT = "exact"
N_DIGITS = 4


@dataclass(frozen=True)
class GenerationMeasurement:
    """What is forecast and continued; numbers of trajectories are (small, medium, large)."""

    #: Frames from which a next one is forecast; all windows end with the same frame.
    windows: tuple = (16, 32, 64, 100, 127, 255, 511)
    n_windows: tuple = (600, 400, 200)
    #: Last frames of later and later slices of one length, on the same trajectories.
    slices: tuple = (99, 199, 299, 399, 499)
    slice_length: int = 100
    #: Frames of a prompt, which is also the window: a short one, and as in training.
    prompts: tuple = (100, 511)
    n_prompts: tuple = (64, 32, 24)
    n_steps: int = 60
    #: Numbers of frames ahead at which errors are kept.
    n_horizons: int = 12
    #: Frames per step besides one.
    blocks: tuple = (10, 50)
    #: Continuations of the shorter prompt that are followed further, and how far.
    n_long: tuple = (32, 16, 8)
    n_long_steps: int = 400
    #: Of these, how many are kept as they are.
    n_drawn: int = 4
    #: Of the solver; its rectangle is the map.
    grid_step: float = 0.02
    family: str = "test"
    index: int = 40

    @property
    def last(self):
        """Number of the last frame that is shown of a trajectory."""
        return max(self.prompts) - 1

    @property
    def horizons(self):
        """Numbers of frames ahead, evenly in logarithm."""
        return forecast_horizons(self.n_steps, self.n_horizons)

    def trajectories(self, n=None):
        """The first `n` trajectories, by default all that are used for something."""
        n_frames = self.last + max(self.n_steps, self.n_long_steps) + 2
        n = n or max(self.n_windows)
        return make_dataset(n, self.family, self.index, n_frames=n_frames).trajectories

    def solver(self):
        """The exact solver of the dynamics."""
        config = REGIMES["metastable"]
        return GridSolver(config.beta, config.diffusion, self.grid_step)


def forecast_horizons(n_steps, n_horizons):
    """At most `n_horizons` numbers of frames ahead, from 1 to `n_steps`, evenly in logarithm."""
    return np.unique(np.geomspace(1, n_steps, n_horizons).round().astype(int))


def study_model(model, size, settings, trajectories, solver):
    """All that is measured of one training, on trajectories of `settings`, as a dict.

    "windows" and "slices": squared errors of one-step forecasts. "growth": rows with "errors" by
    horizon, then trajectory, "ends" of `how_they_end` and "echo" of blocks (by `shift`). "long":
    "ends", and "drawn" continuations without their prompts.
    """
    number, last = list(SIZES).index(size), settings.last
    shown = trajectories[: settings.n_windows[number]]
    forecasts = one_step_forecasts(model, shown, last, settings.windows)
    found = {"windows": squared_errors(forecasts, shown[:, last + 1]), "slices": [], "growth": []}
    for end in settings.slices:
        (forecast,) = one_step_forecasts(model, shown, end, [settings.slice_length])
        found["slices"].append(squared_errors(forecast, shown[:, end + 1]))
    step = float(np.linalg.norm(np.diff(trajectories, axis=1), axis=-1).max())
    n, n_long = settings.n_prompts[number], settings.n_long[number]
    future = trajectories[:n, last + settings.horizons]
    for n_prompt in settings.prompts:
        prompt = trajectories[:n, last + 1 - n_prompt : last + 1]
        for k in (1, *(k for k in settings.blocks if k <= settings.n_steps)):
            made = generate(model, prompt, settings.n_steps, k, progress=False)
            errors = squared_errors(made[:, n_prompt - 1 + settings.horizons], future).T
            row = {"n_prompt": n_prompt, "frames_per_step": k, "horizons": settings.horizons}
            row |= {"errors": errors, "ends": how_they_end(solver, made, n_prompt, step)}
            if k > 1:
                row["echo"] = [echo(made, n_prompt, k, shift) for shift in (0, 1)]
            found["growth"].append(row)
    n_prompt = min(settings.prompts)
    prompt = trajectories[:n_long, last + 1 - n_prompt : last + 1]
    made = generate(model, prompt, settings.n_long_steps, progress=False)
    ends = how_they_end(solver, made, n_prompt, step)
    drawn = made[: settings.n_drawn, n_prompt:]
    return rounded(found | {"long": {"n_prompt": n_prompt, "ends": ends, "drawn": drawn}}, N_DIGITS)


def study_exact(settings, trajectories, solver):
    """Squared errors of "exact" and cheap forecasts of the same frames, as a dict like that of
    `study_model`; "drawn" is what the particle did."""
    time, last = REGIMES["metastable"].frame_time, settings.last

    def one_step(end):
        now, later = trajectories[:, end], trajectories[:, end + 1]
        best = exact_forecast(solver, now, time, [1])[0][:, 0]
        return {"exact": squared_errors(best, later), "last frame": squared_errors(now, later)}

    of_prompt = trajectories[: max(settings.n_prompts)]
    now = of_prompt[:, last]
    forecasts = {
        "exact": exact_forecast(solver, now, time, settings.horizons)[0],
        "last frame": now[:, None],
    }
    for n_prompt in settings.prompts:
        prompt = of_prompt[:, last + 1 - n_prompt : last + 1]
        forecasts[f"mean of the prompt of {n_prompt}"] = prompt.mean(axis=1, keepdims=True)
    future = of_prompt[:, last + settings.horizons]
    growth = {name: squared_errors(forecast, future).T for name, forecast in forecasts.items()}
    found = {
        "windows": one_step(last),
        "slices": [one_step(end) for end in settings.slices],
        "growth": {"horizons": settings.horizons} | growth,
        "drawn": trajectories[: settings.n_drawn, last + 1 : last + 1 + settings.n_long_steps],
    }
    return rounded(found, N_DIGITS)


def make_part(part, folder=RESULTS, report=print, settings=None):
    """Make one file of the results, "exact" or a training, unless it is there and up to date."""
    settings = settings or GenerationMeasurement()
    made_for, of_model = {"settings": asdict(settings)}, None
    if part != EXACT:
        model, made_for["weights"] = load_training(part)
        of_model = partial(study_model, model, part.rpartition("-")[0])

    def make():
        study = of_model or study_exact
        return study(settings, settings.trajectories(), settings.solver())

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def parts():
    """{name: function that measures and keeps it}: the exact answers, and all trainings."""
    return {name: partial(make_part, name) for name in (EXACT, *trained_names())}


def load(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """What was kept of some sizes, {size: {seed: content}}, and the exact answers."""
    exact = load_part(EXACT, folder, "generation")
    return load_measured(sizes, folder, "generation", checkpoints), exact


def of_committed(trainings, models):
    """What was kept of the committed model of each size, as {size: content}."""
    digests = {size: weights_digest(model) for size, model in models.items()}
    return {
        size: next(c for c in trainings[size].values() if c["weights"] == digest)
        for size, digest in digests.items()
    }


def continuations(models, trajectory, settings, n_steps, n_shown):
    """One trajectory, (n_frames, 2), continued by each model from prompts of both lengths: {size:
    {"from N frames": (n_shown + n_steps, 2)}}, the end of the prompt included."""
    last = settings.last
    return {
        size: {
            f"from {n_prompt} frames": generate(
                model, trajectory[None, last + 1 - n_prompt : last + 1], n_steps, progress=False
            )[0, -(n_shown + n_steps) :]
            for n_prompt in sorted(settings.prompts, reverse=True)
        }
        for size, model in models.items()
    }


def repeated(models, kept, trajectories, settings, n):
    """Largest difference, by size, of errors `kept` for the longest window from those made now on
    `n` trajectories, numbers in the order of the models."""
    found = {}
    for (size, model), count in zip(models.items(), n, strict=False):
        shown = trajectories[:count]
        (live,) = one_step_forecasts(model, shown, settings.last, [max(settings.windows)])
        errors = squared_errors(live, shown[:, settings.last + 1])
        found[size] = np.abs(errors - kept[size]["windows"][-1][:count]).max()
    return found
