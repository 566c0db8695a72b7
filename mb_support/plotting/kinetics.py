"""Figures of the chapter on kinetics: densities, passages and times of generated ensembles."""

import numpy as np
from matplotlib.colors import LogNorm

from .style import BASELINE_COLOR, DENSITY_CMAP, PALETTE, REFERENCE_COLOR, axes_or_new, map_axes

#: Name, colour and marker of each kind of ensemble in `results/kinetics`.
GENERATORS = {
    "simulation": ("simulation", BASELINE_COLOR, "D"),
    "stochastic": ("causal, mixture", PALETTE["orange"], "o"),
    "repeated": ("causal, another seed", PALETTE["orange"], "P"),
    "gaussian": ("Gaussian of exact moments", PALETTE["purple"], "s"),
    "gaussian_fine": ("the same, finer frames", PALETTE["purple"], "d"),
    "markov": ("Markov state model", PALETTE["green"], "^"),
    "deterministic": ("poster's generator", PALETTE["sky"], "v"),
}
QUANTITIES = {
    "passage_time_ab": "mean passage time A to B",
    "passage_time_ba": "mean passage time B to A",
    "slowest_timescale": "slowest timescale",
    "population_b": "share of B",
}
#: Names of all that tables show.
NAMES = {
    "divergence": "divergence (nats)",
    **QUANTITIES,
    "rate_ab": "rate from A to B",
    "rate_ba": "rate from B to A",
}


def plot_ratios(estimates, exact, tolerance=0.1, ax=None):
    """Estimated over exact values, a row for each quantity and a mark for each generator.

    `Estimate`s by generator (keys of `GENERATORS`), then by quantity (keys of `QUANTITIES`); what
    is not finite is left out. A grey band spans `tolerance` on either side of one.
    """
    ax = axes_or_new(ax, width=1.0, aspect=0.45)
    ax.axvspan(1 - tolerance, 1 + tolerance, color=REFERENCE_COLOR, alpha=0.1, lw=0)
    ax.axvline(1, color=REFERENCE_COLOR, lw=1.4)
    names = [name for name in QUANTITIES if name in exact]
    for shift, (generator, values) in zip(
        np.linspace(-0.3, 0.3, max(2, len(estimates))), estimates.items(), strict=False
    ):
        label, color, marker = GENERATORS[generator]  # in the legend once, at the first mark
        for row, name in enumerate(names):
            estimate = values.get(name)
            if estimate is None or not np.isfinite(estimate.low + estimate.value):
                continue
            ratio, low, high = np.array([estimate.value, estimate.low, estimate.high]) / exact[name]
            ax.errorbar(
                ratio,
                row + shift,
                xerr=np.maximum([[ratio - low], [high - ratio]], 0),
                color=color,
                marker=marker,
                ls="",
                capsize=2,
                label=label,
            )
            label = None
    ax.set_yticks(range(len(names)), [QUANTITIES[name] for name in names])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(0.2, 8)  # an estimate many times too large would squeeze all others into a line
    ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    ax.minorticks_off()
    ax.set_xlabel("estimated / exact")
    ax.legend(ncols=1, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def plot_box_density(density, edges, title="", largest=None, has_bar=False, ax=None):
    """Share of frames in each box of a grid, on a logarithmic scale over four decades.

    The last entry of `density`, everywhere else, is not drawn; `largest` ends the scale.
    """
    ax = map_axes(axes_or_new(ax, width=0.5, aspect=0.9))
    boxes = np.asarray(density)[:-1].reshape(len(edges[0]) - 1, len(edges[1]) - 1)
    largest = boxes.max() if largest is None else largest
    mesh = ax.pcolormesh(
        *edges,
        np.where(boxes > 0, boxes, np.nan).T,
        cmap=DENSITY_CMAP,
        norm=LogNorm(largest * 1e-4, largest),
        rasterized=True,
    )
    ax.set_title(title)
    if has_bar:
        ax.figure.colorbar(mesh, ax=ax, label="share of frames", shrink=0.7)
    return ax


def plot_autocorrelation(curves, exact, frame_time, ax=None):
    """Autocorrelation functions against time, with the exact one in black.

    By generator: "lags", "values" and "errors" (standard errors; two are shaded).
    """
    ax = axes_or_new(ax, width=0.65, aspect=0.7)
    for generator, curve in curves.items():
        label, color, marker = GENERATORS[generator]
        times = np.array(curve["lags"][1:]) * frame_time
        values, errors = np.array(curve["values"][1:]), 2 * np.array(curve["errors"][1:])
        ax.fill_between(times, values - errors, values + errors, color=color, alpha=0.25, lw=0)
        ax.plot(times, values, color=color, marker=marker, ms=3, lw=1, label=label)
    times = np.array(exact["lags"][1:]) * frame_time
    ax.plot(times, exact["values"][1:], color=REFERENCE_COLOR, lw=1.4, label="exact")
    ax.set(xscale="log", xlabel="time", ylabel="autocorrelation of y")
    ax.legend()
    return ax
