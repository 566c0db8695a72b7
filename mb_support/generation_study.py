"""Forecasts and continuations of every training of the recipes; kept in ``results/generation``.

``python -m mb_support.generation_study`` makes a file for each training whose weights lie in
``.cache/trainings``, and one for the exact answers on the same trajectories. Squared errors are
kept trajectory by trajectory, so that the chapter can draw its intervals over them.
"""

from dataclasses import asdict, dataclass

import numpy as np

from . import paths
from .datasets import make_dataset
from .forecast_scores import (
    baseline_forecasts,
    exact_forecast,
    forecast_horizons,
    how_they_end,
    squared_errors,
)
from .generation import echo, generate, one_step_forecasts
from .measured import load_measured, load_part, load_training, trained_names
from .records import keep, rounded, run_study
from .reference import GridSolver
from .simulation import REGIMES

RESULTS = paths.RESULTS / "generation"
MODULE = "generation_study"
EXACT = "exact"
#: Digits to which results are kept.
N_DIGITS = 4


@dataclass(frozen=True)
class GenerationMeasurement:
    """What is forecast and continued. Numbers of trajectories are (small, medium, large).

    Parameters
    ----------
    windows : tuple of int
        Frames from which a next one is forecast. All windows end with the same frame.
    n_windows : tuple of int
        Trajectories of that.
    slices, slice_length : tuple of int, int
        Last frames of later and later slices of one length, from which the next is forecast; on
        the same trajectories.
    prompts : tuple of int
        Frames of a prompt, which is also the window: a short one, and as in training.
    n_prompts : tuple of int
        Trajectories continued from each.
    n_steps : int
        Frames generated.
    n_horizons : int
        Numbers of frames ahead at which errors are kept.
    blocks : tuple of int
        Frames per step besides one.
    n_long, n_long_steps : tuple of int, int
        Continuations of the shorter prompt that are followed further, and how far.
    n_drawn : int
        Of these, how many are kept as they are.
    grid_step : float
        Of the solver; its rectangle is the map.
    family, index : str, int
        Seed of the trajectories.
    """

    windows: tuple = (16, 32, 64, 100, 127, 255, 511)
    n_windows: tuple = (600, 400, 200)
    slices: tuple = (99, 199, 299, 399, 499)
    slice_length: int = 100
    prompts: tuple = (100, 511)
    n_prompts: tuple = (64, 32, 24)
    n_steps: int = 60
    n_horizons: int = 12
    blocks: tuple = (10, 50)
    n_long: tuple = (32, 16, 8)
    n_long_steps: int = 400
    n_drawn: int = 4
    grid_step: float = 0.02
    family: str = "test"
    index: int = 40

    def trajectories(self, n=None):
        """The first `n` trajectories, by default all that are used for something."""
        n_frames = max(self.prompts) + max(self.n_steps, self.n_long_steps) + 1
        return make_dataset(
            n or max(self.n_windows), self.family, self.index, n_frames=n_frames
        ).trajectories

    def of_size(self, name):
        """Numbers of trajectories for one size, as (n_windows, n_prompts, n_long)."""
        number = ("small", "medium", "large").index(name)
        return self.n_windows[number], self.n_prompts[number], self.n_long[number]

    def solver(self):
        """The exact solver of the dynamics."""
        config = REGIMES["metastable"]
        return GridSolver(config.beta, config.diffusion, self.grid_step)


def study_model(model, size, settings, trajectories, solver):
    """All that is measured of one training.

    Parameters
    ----------
    model : TrajectoryTransformer
    size : str
    settings : GenerationMeasurement
    trajectories : (n, n_frames, 2) ndarray
        From `settings.trajectories`.
    solver : GridSolver

    Returns
    -------
    dict
        "windows" and "slices": squared errors of one-step forecasts, a list for each, in the order
        of the settings. "growth": a list of dictionaries with "n_prompt", "frames_per_step",
        "horizons", "errors" (by horizon, then trajectory), "echo" (of several frames per step)
        and "ends" from `forecast_scores.how_they_end`. "long": "ends", and "drawn" continuations
        without their prompts.
    """
    n_windows, n_prompts, n_long = settings.of_size(size)
    shown, last = trajectories[:n_windows], max(settings.prompts) - 1
    found = {"windows": [], "slices": [], "growth": []}
    forecasts = one_step_forecasts(model, shown, last, settings.windows)
    found["windows"] = [squared_errors(f, shown[:, last + 1]) for f in forecasts]
    for end in settings.slices:
        (forecast,) = one_step_forecasts(model, shown, end, [settings.slice_length])
        found["slices"].append(squared_errors(forecast, shown[:, end + 1]))
    horizons = forecast_horizons(settings.n_steps, settings.n_horizons)
    future = trajectories[:n_prompts, last + 1 : last + 1 + settings.n_steps]
    step = float(np.linalg.norm(np.diff(trajectories, axis=1), axis=-1).max())
    for n_prompt in settings.prompts:
        prompt = trajectories[:n_prompts, last + 1 - n_prompt : last + 1]
        for k in (1, *(k for k in settings.blocks if k <= settings.n_steps)):
            made = generate(model, prompt, settings.n_steps, k, progress=False)
            row = {"n_prompt": n_prompt, "frames_per_step": k, "horizons": horizons}
            row["errors"] = squared_errors(made[:, n_prompt:], future)[:, horizons - 1].T
            row["ends"] = how_they_end(solver, made, n_prompt, step)
            if k > 1:
                row["echo"] = [echo(made, n_prompt, k, shift).mean() for shift in (0, 1)]
            found["growth"].append(row)
    n_prompt = min(settings.prompts)
    prompt = trajectories[:n_long, last + 1 - n_prompt : last + 1]
    made = generate(model, prompt, settings.n_long_steps, progress=False)
    found["long"] = {
        "n_prompt": n_prompt,
        "ends": how_they_end(solver, made, n_prompt, step),
        "drawn": made[: settings.n_drawn, n_prompt:],
    }
    return rounded(found, N_DIGITS)


def study_exact(settings, trajectories, solver):
    """Exact and cheap forecasts of the same frames.

    Parameters
    ----------
    settings : GenerationMeasurement
    trajectories : (n, n_frames, 2) ndarray
    solver : GridSolver

    Returns
    -------
    dict
        "windows": squared errors of "exact" mean and "last frame"; "slices": a list of the same;
        "growth": "horizons", and by horizon, then trajectory, those of "exact" mean, "last
        frame" and the mean of each prompt; "drawn": what the particle did instead.
    """
    time, last = REGIMES["metastable"].frame_time, max(settings.prompts) - 1

    def one_step(end):
        now, later = trajectories[:, end], trajectories[:, end + 1]
        best = exact_forecast(solver, now, time, [1]).means[:, 0]
        return {"exact": squared_errors(best, later), "last frame": squared_errors(now, later)}

    n = max(settings.n_prompts)
    horizons = forecast_horizons(settings.n_steps, settings.n_horizons)
    best = exact_forecast(solver, trajectories[:n, last], time, horizons)
    future = trajectories[:n, last + 1 : last + 1 + settings.n_steps]
    errors = squared_errors(best.means, future[:, horizons - 1])
    growth = {"horizons": horizons, "exact": errors.T}
    for n_prompt in settings.prompts:
        prompt = trajectories[:n, last + 1 - n_prompt : last + 1]
        for name, forecast in baseline_forecasts(prompt, settings.n_steps).items():
            name = f"{name} of {n_prompt}" if name.startswith("mean") else name
            growth[name] = squared_errors(forecast, future)[:, horizons - 1].T
    drawn = trajectories[: settings.n_drawn, last + 1 : last + 1 + settings.n_long_steps]
    slices = [one_step(end) for end in settings.slices]
    found = {"windows": one_step(last), "slices": slices, "growth": growth, "drawn": drawn}
    return rounded(found, N_DIGITS)


def make_part(part, folder=RESULTS, report=print, settings=None):
    """Make one file of the results, unless it is there and up to date.

    Parameters
    ----------
    part : str
        "exact", or one of `measured.trained_names`.
    folder : path
    report : callable
        Is told what was done, in a line.
    settings : GenerationMeasurement, optional
    """
    settings = settings or GenerationMeasurement()
    made_for = {"settings": asdict(settings)}
    if part == EXACT:

        def make():
            return study_exact(settings, settings.trajectories(), settings.solver())
    else:
        model, made_for["weights"] = load_training(part)
        size = part.rpartition("-")[0]

        def make():
            return study_model(model, size, settings, settings.trajectories(), settings.solver())

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def load(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """What was kept of the trainings of some sizes, and the exact answers.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : path
        Where results and committed weights lie.

    Returns
    -------
    trainings : dict of str to dict of int to dict
        By size, then by seed.
    exact : dict

    Raises
    ------
    ValueError
        If the exact answers are missing, or the committed weights of a size are not among those
        that were measured.
    """
    exact = load_part(EXACT, folder, MODULE)
    return load_measured(sizes, folder, MODULE, checkpoints), exact


def main(arguments=None):
    """Command line: see the module."""
    run_study(__doc__.splitlines()[0], make_part, [EXACT, *trained_names()], arguments)


if __name__ == "__main__":
    main()
