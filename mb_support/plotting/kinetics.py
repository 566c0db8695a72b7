"""Figures of the chapter on kinetics: verdicts, ensembles, learning, densities, memory of y."""

import numpy as np
from matplotlib import pyplot as plt

from .pictures import leave_blank
from .style import (
    BASELINE_COLOR,
    ENERGY_CMAP,
    MODEL_COLOR,
    REFERENCE_COLOR,
    SECOND_MODEL_COLOR,
    SIZE_COLORS,
    axes_or_new,
    figure_size,
    map_axes,
)

#: Name, colour and marker of each kind of ensemble in `results/kinetics`, in the order of rows.
GENERATORS = {
    "simulation": ("simulation", BASELINE_COLOR, "D"),
    "stochastic": ("causal transformer", MODEL_COLOR, "o"),
    "attention": ("the same, less training", SECOND_MODEL_COLOR, "o"),
    "memoryless": ("without memory", SECOND_MODEL_COLOR, "s"),
    "lstm": ("LSTM", SECOND_MODEL_COLOR, "P"),
    "full_memoryless": ("without memory, as much training", MODEL_COLOR, "s"),
    "markov": ("Markov state model", BASELINE_COLOR, "^"),
    "gaussian": ("exact Gaussian", BASELINE_COLOR, "d"),
    "gaussian_fine": ("exact Gaussian, finer frames", BASELINE_COLOR, "d"),
    "short_simulation": ("simulation, few walkers", BASELINE_COLOR, "D"),
    "deterministic": ("poster's generator, small", SIZE_COLORS["small"], "v"),
    "deterministic_prompt": ("small, prompt's statistics", SIZE_COLORS["small"], "X"),
    "deterministic_medium": ("poster's generator, medium", SIZE_COLORS["medium"], "v"),
    "deterministic_medium_prompt": ("medium, prompt's statistics", SIZE_COLORS["medium"], "X"),
}
QUANTITIES = {
    "passage_time_ab": "mean passage time A to B",
    "passage_time_ba": "mean passage time B to A",
    "slowest_timescale": "slowest timescale",
    "population_b": "share of B",
}
#: Those of them that are criteria; the share of B is none.
CRITERIA = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
#: Names of all that tables show.
NAMES = {"divergence": "divergence (nats)", **QUANTITIES}
#: Those nearest to the exact values, which a second figure shows on an axis of their own.
NEAREST = ("simulation", "stochastic", "full_memoryless", "markov")


def plot_verdicts(parts, exact, tolerance, axes=None, limits=(0.5, 2.1)):
    """Estimated over exact values, with intervals of 95 %: a row for each generator, a panel for
    each of `QUANTITIES`; what lies beyond `limits` is written at the end of the axis. `tolerance`
    is shaded for those that are criteria."""
    rows = [name for name in GENERATORS if name in parts]
    if axes is None:
        size = figure_size(1, 0.12 + 0.03 * len(rows))
        _, axes = plt.subplots(1, len(QUANTITIES), sharey=True, figsize=size)
    for ax, (quantity, title) in zip(axes, QUANTITIES.items(), strict=True):
        if quantity in CRITERIA:
            ax.axvspan(1 - tolerance, 1 + tolerance, color=REFERENCE_COLOR, alpha=0.1, lw=0)
        ax.axvline(1, color=REFERENCE_COLOR, lw=1)
        for row, name in enumerate(rows):
            _, color, marker = GENERATORS[name]
            _plot_ratio(ax, row, parts[name][quantity], exact[quantity], color, marker, limits)
        ax.set(xscale="log", xlim=limits)
        first, _, rest = title.replace("mean passage time", "passage").partition(" ")
        ax.set_title(f"{first}\n{rest}", fontsize="small")
        ticks = {0.5: "½", 1: "1", 2: "2"} if limits[1] >= 2 else {0.9: "0.9", 1: "1", 1.1: "1.1"}
        ax.set_xticks(list(ticks), ticks.values())
        ax.minorticks_off()
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(rows)), [GENERATORS[name][0] for name in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    axes[0].figure.supxlabel("estimated / exact", fontsize="medium")
    return axes


def _plot_ratio(ax, row, estimate, exact, color, marker, limits):
    ratio, low, high = np.array([estimate.value, estimate.low, estimate.high]) / exact
    style = dict(va="center", fontsize="small", color=REFERENCE_COLOR)
    if not np.isfinite(low + ratio):
        ax.text(limits[1] * 0.97, row, "none →", ha="right", **style)
    elif ratio > limits[1]:
        ax.text(limits[1] * 0.97, row, f"{ratio:.1f} →", ha="right", **style)
    elif ratio < limits[0]:
        ax.text(limits[0] * 1.03, row, f"← {ratio:.2f}", ha="left", **style)
    else:
        ax.errorbar(ratio, row, xerr=[[ratio - low], [high - ratio]], color=color, marker=marker)


def plot_ensembles(pools, exact, name="passage_time_ab", ax=None):
    """What each ensemble of `study.pooled` says of one quantity, and all of a kind, in diamonds,
    with standard errors."""
    ax, place, ticks = axes_or_new(ax, width=0.5, aspect=0.8), 0, {}
    for kind, pool in pools.items():
        label, color, marker = GENERATORS[kind]
        ones, together = [each[name] for each in pool["ensembles"]], pool[name]
        places = place + np.arange(len(ones))
        ax.errorbar(
            places, [one.value for one in ones], [one.standard_error for one in ones],
            ls="", color=color, marker=marker, alpha=0.6,
        )  # fmt: skip
        low, high = (together.value + sign * together.standard_error for sign in (-1, 1))
        ax.fill_between(
            [places[0] - 0.5, places[-1] + 0.5], low, high, color=color, alpha=0.3, lw=0
        )
        ticks[places.mean()] = f"{label}\n({len(ones)} ensembles)"
        place = places[-1] + 2.5
    ax.axhline(exact[name], color=REFERENCE_COLOR, lw=1, ls="--")
    ax.annotate(
        "exact", (1, exact[name]), xycoords=("axes fraction", "data"), xytext=(3, 0),
        textcoords="offset points", va="center", fontsize="small",
    )  # fmt: skip
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(QUANTITIES[name])
    return ax


def _free_energy(density, edges):
    boxes = np.asarray(density)[:-1].reshape(len(edges[0]) - 1, len(edges[1]) - 1).T
    with np.errstate(divide="ignore"):
        return -np.log(boxes / boxes.max())


def plot_densities(exact, stochastic, deterministic, edges, highest=9.0, largest=0.5):
    """Free energies of three densities, blank above `highest` kT, and the difference of the first
    two, on a scale that ends at `largest`."""
    fig, axes = plt.subplots(2, 2, sharex=True, sharey=True, figsize=figure_size(1, 0.86))
    energies = [_free_energy(density, edges) for density in (exact, stochastic, deterministic)]
    rare = energies[0] > highest
    shown = dict(zip(("exact", "causal transformer", "poster's generator"), energies, strict=True))
    for ax, (title, energy) in zip(axes.flat[[0, 1, 3]], shown.items(), strict=True):
        energy = np.ma.masked_greater(energy, highest)
        mesh = ax.pcolormesh(
            *edges, energy, cmap=ENERGY_CMAP, vmin=0, vmax=highest, rasterized=True
        )
        ax.set_title(title)
    difference = np.ma.masked_where(rare, energies[1] - np.where(rare, 0, energies[0]))
    limits = dict(vmin=-largest, vmax=largest)
    below = axes[1, 0].pcolormesh(*edges, difference, cmap="PuOr_r", rasterized=True, **limits)
    axes[1, 0].set_title("causal minus exact")
    for ax in axes.flat:
        leave_blank(map_axes(ax)).set(xlim=(-1.5, 1.2), ylim=(-0.5, 2.1))
        ax.label_outer()
    fig.colorbar(mesh, ax=axes[:, 1], label="free energy (kT)", shrink=0.6)
    fig.colorbar(below, ax=axes[1, 0], label="difference (kT)", location="left", shrink=0.8)
    return axes


def plot_autocorrelation(curves, exact, frame_time, ax=None):
    """Autocorrelation functions against time, with two standard errors, and the exact one."""
    ax = axes_or_new(ax, width=0.65, aspect=0.7)
    for generator, curve in curves.items():
        label, color, marker = GENERATORS[generator]
        times = np.array(curve["lags"][1:]) * frame_time
        values, errors = np.array(curve["values"][1:]), 2 * np.array(curve["errors"][1:])
        ax.fill_between(times, values - errors, values + errors, color=color, alpha=0.25, lw=0)
        look = dict(
            color=color, marker=marker, ms=3, lw=1, ls="--" if "gauss" in generator else "-"
        )
        ax.plot(times, values, label=label, **look)
    times = np.array(exact["lags"][1:]) * frame_time
    ax.plot(times, exact["values"][1:], color=REFERENCE_COLOR, lw=1.4, label="exact")
    ax.set(xscale="log", xlabel="time", ylabel="autocorrelation of y")
    ax.legend()
    return ax
