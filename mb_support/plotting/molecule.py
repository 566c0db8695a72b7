"""Figures of the chapter on the molecule: surface, memory, committor, attention."""

import numpy as np
from matplotlib.colors import LogNorm

from ..statistics import wilson_interval
from .pictures import leave_blank
from .style import (
    COMMITTOR_CMAP,
    ENERGY_CMAP,
    MODEL_COLOR,
    PALETTE,
    REFERENCE_COLOR,
    SIZE_COLORS,
    SIZE_LINES,
    SIZE_MARKERS,
    STATE_COLORS,
    STATE_MARKERS,
    WEIGHT_CMAP,
    axes_or_new,
    bar_of_weights,
)

STATE_NAMES = ("α-R", "β")
LIMIT = 8  # of weights that are told apart, in units of the uniform one
TICKS = (-180, -90, 0, 90, 180)


def angle_axes(ax):
    """Label axes as phi and psi in degrees, one whole turn each."""
    ax.set(xlabel="φ (degrees)", ylabel="ψ (degrees)", xticks=TICKS, yticks=TICKS)
    ax.set(xlim=(-180, 180), ylim=(-180, 180), aspect="equal")
    return ax


def plot_surface(values, label, minima=(), highest=None, ax=None):
    """A (n, n) field over boxes of phi and psi; blank where it is unknown or infinite."""
    ax = leave_blank(angle_axes(axes_or_new(ax, width=0.5, aspect=0.9)))
    edges = np.linspace(-180, 180, len(values) + 1)
    shown = np.where(np.isfinite(values), values, np.nan).T
    mesh = ax.pcolormesh(
        edges, edges, shown, cmap=ENERGY_CMAP, vmin=0, vmax=highest, rasterized=True
    )
    for k, place in enumerate(np.degrees(np.asarray(minima).reshape(-1, 2))):
        style = dict(color=STATE_COLORS[k], marker=STATE_MARKERS[k], mec="white", ls="", ms=8)
        ax.plot(*place, **style, label=STATE_NAMES[k])
    ax.figure.colorbar(mesh, ax=ax, label=label, shrink=0.7)
    return ax


def plot_timescales(scales, ax=None):
    """Implied timescales of a Markov state model against its lag, with two standard errors."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    lags, colors = scales["lag_times"], (PALETTE["orange"], PALETTE["grey"])
    for k, (name, color) in enumerate(zip(("slowest", "second"), colors, strict=True)):
        values, errors = (np.array(scales[key])[:, k] for key in ("values", "errors"))
        ax.errorbar(lags, values, 2 * errors, color=color, marker="o", capsize=2, label=name)
    ax.fill_between(lags, 0.1, lags, color=PALETTE["grey"], alpha=0.15, lw=0)
    ax.set(xscale="log", yscale="log", xlabel="lag (ps)", ylabel="implied timescale (ps)")
    ax.legend()
    return ax


def plot_diffusion(diffusion, needed, ax=None):
    """Diffusion constant that fits the memory at each lag, and that which the passages need."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    errors = 2 * np.array(diffusion["errors"])
    lags, values = diffusion["lag_times"], diffusion["values"]
    ax.errorbar(lags, values, errors, color=MODEL_COLOR, marker="o", capsize=2, label="memory of ψ")
    ax.axhline(needed, color=REFERENCE_COLOR, lw=1.2, ls="--", label="counted passages")
    ax.set(xscale="log", xlabel="lag (ps)", ylabel="D (rad² / ps)", ylim=(0, 1.5 * needed))
    ax.legend()
    return ax


def plot_committor(torus, shots=None, ax=None):
    """The committor of the diffusion model, and points coloured by their shots."""
    ax = angle_axes(axes_or_new(ax, width=0.5, aspect=0.9))
    phi, psi = (np.degrees(torus[name]) for name in ("phi", "psi"))
    style = dict(cmap=COMMITTOR_CMAP, vmin=0, vmax=1)
    mesh = ax.pcolormesh(phi, psi, np.array(torus["committor"]).T, **style, rasterized=True)
    ax.set(xlim=(phi[0], phi[-1]), ylim=(psi[0], psi[-1]))
    if shots:
        reached = np.array(shots["reached"])
        share = reached[:, 1] / np.maximum(reached.sum(axis=1), 1)
        places = np.degrees(shots["angles"])
        ax.scatter(*places.T, c=share, **style, s=14, edgecolors="black", linewidths=0.5)
    ax.figure.colorbar(mesh, ax=ax, label="probability of β first", shrink=0.7)
    return ax


def plot_shots(shots, ax=None):
    """Share of shots that reach beta first against the model's committor, with 95% intervals."""
    ax = axes_or_new(ax, width=0.5, aspect=0.9)
    reached = np.array(shots["reached"])
    n = np.maximum(reached.sum(axis=1), 1)
    share = reached[:, 1] / n
    intervals = np.array([wilson_interval(*pair) for pair in zip(reached[:, 1], n, strict=True)])
    error = np.abs(intervals.T - share)
    ax.plot([0, 1], [0, 1], color=REFERENCE_COLOR, lw=1.2)
    ax.errorbar(
        shots["committor"], share, error, color=MODEL_COLOR, marker="o", ms=3, ls="", lw=0.6
    )
    ax.set(xlabel="committor of the diffusion model", ylabel="share of shots", aspect="equal")
    return ax


def plot_attention(attention, frame_time, axes):
    """A window's attention map, and its psi above the same frames: two axes."""
    psi, example = attention["psi"], attention["example"]
    times = np.arange(len(psi)) * frame_time
    top, bottom = axes
    top.plot(times, np.degrees(psi), ".", ms=3, color=SIZE_COLORS["small"])
    top.set(ylabel="ψ (degrees)", ylim=(-180, 180), yticks=TICKS[::2])
    style = dict(cmap=WEIGHT_CMAP, norm=LogNorm(1 / LIMIT, LIMIT), rasterized=True)
    mesh = bottom.pcolormesh(times, times, np.clip(example, 1 / LIMIT, LIMIT), **style)
    bottom.set(xlabel="frame attended to (ps)", ylabel="frame that attends (ps)")
    bottom.invert_yaxis()
    bar_of_weights(mesh, axes, LIMIT, shrink=0.6)
    return axes


def plot_own_state(trainings, ax=None):
    """Weight on frames of the own state over chance, by depth; one line for each training."""
    ax = axes_or_new(ax, width=0.5, aspect=0.8)
    ax.axhline(1, color=REFERENCE_COLOR, lw=1)
    for name, content in trainings.items():
        size, kept = name.partition("-")[0], content["attention"]
        depth = (1 + np.arange(len(kept["own_state"]))) / len(kept["own_state"])
        errors, is_first = 2 * np.array(kept["own_state_error"]), name.endswith("-0")
        ax.errorbar(
            depth, kept["own_state"], errors, color=SIZE_COLORS[size], marker=SIZE_MARKERS[size],
            ls=SIZE_LINES[size], capsize=2, label=size if is_first else None,
        )  # fmt: skip
    ax.set(xlabel="depth (1: last layer)", ylabel="weight on own state / chance")
    ax.legend()
    return ax
