# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the loss leaks
#
# The poster's model learns to predict the next frame with an encoder that looks both ways. How much
# of its success is forecasting, and how much is reading the answer? On windows of
# {glue:text}`leak_window:d` frames a small bidirectional model ends with
# {glue:text}`leak_bidirectional_inside:.3f` times the least error that a forecaster can have; at the
# last position, the only one that forecasts, with {glue:text}`leak_bidirectional_last:.3f` times that
# error. The committed models, on whole trajectories, end inside at: {glue:text}`leak_full_length:s`.

# %% tags=["remove-stderr"]
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support import leak_study as study
from mb_support.datasets import make_dataset
from mb_support.inference import load_checkpoint
from mb_support.leak import ExactNextFrame, frame_errors, predict_next_frames, summarise
from mb_support.plotting import leak as plots
from mb_support.plotting.style import figure_size, use_style

# %% tags=["parameters"]
profile = "smoke"
seed = 55  # number of the test set on which the kept result is repeated

# %% tags=["remove-stderr"]
use_style()
settings = get_profile(profile)
variants = study.kept_variants()
sizes = {size: kept["lengths"] for size, kept in study.kept_sizes(settings.sizes).items()}
print(f"profile {settings.name}; kept results of {', '.join([*variants, *sizes])}")

# %% [markdown]
# ## The floor
#
# Let $\mathbf{m} = E[\mathbf{x}_{t+1} | \mathbf{x}_t]$ be the exact conditional mean, and
# $\mathbf{n} = \mathbf{x}_{t+1} - \mathbf{m}$ the noise of the next frame. For any prediction
# $\mathbf{f}$,
#
# $$ |\mathbf{f} - \mathbf{x}_{t+1}|^2 = |\mathbf{n}|^2 + |\mathbf{f} - \mathbf{m}|^2
#    - 2 (\mathbf{f} - \mathbf{m}) \cdot \mathbf{n} . $$ (eq-leak-split)
#
# The dynamics is Markov: a prediction made from frames up to $t$ cannot be correlated with
# $\mathbf{n}$, the last term averages to zero, and the error is at least
# $\langle |\mathbf{n}|^2 \rangle$. That is the floor. The *share of the noise seen*,
#
# $$ s = \langle (\mathbf{f} - \mathbf{m}) \cdot \mathbf{n} \rangle /
#    \langle |\mathbf{n}|^2 \rangle , $$ (eq-leak-share)
#
# is zero for every forecast and one for a copy of the answer. It shows a leak even where the error
# is still above the floor. The mean $\mathbf{m}$ is that of the simulated dynamics, its time step
# included; errors are in units of each trajectory's own standard deviation, as in the poster's
# loss, and model and floor are taken on the same frames. First the committed small model, live, on
# trajectories that nothing else in this book has used:

# %% tags=["remove-stderr"]
exact = ExactNextFrame()
model = load_checkpoint("small")
frames = make_dataset(settings.n_leaked, "test", index=seed, n_frames=65).trajectories
errors = frame_errors(predict_next_frames(model, frames), frames, exact)
places = {"inside": slice(10, -1), "last": slice(-1, None)}
live = {place: summarise(errors.over(positions)) for place, positions in places.items()}

# %%
rows = {
    place: {"error": s.model[0], "floor": s.exact[0], "ratio": s.ratio[0], "seen": s.noise_seen[0]}
    for place, s in live.items()
}
pd.DataFrame(rows).T.round(3)

# %%
# NBVAL_CHECK_OUTPUT
print("floor, inside:", round(live["inside"].exact[0], 2))
print("last position sees noise:", abs(live["last"].noise_seen[0]) > 5 * live["last"].noise_seen[1])

# %% [markdown]
# ## Three models that differ in what a position may see
#
# The same small encoder is trained three times from the same weights, on the same fresh
# trajectories, with the poster's loss: as the poster has it; with causal attention; and with causal
# attention and constants in place of the trajectory's own mean and standard deviation. The third is
# needed, because standardisation leaks as well. Standardised coordinates sum to zero, so that
#
# $$ \tilde{\mathbf{x}}_{N} = - \sum_{t < N} \tilde{\mathbf{x}}_t : $$ (eq-leak-sum)
#
# the last frame shown is determined by the others, and causal attention could read it.
# {numref}`fig-leak` follows all three. Inside, the error ends below the floor, by more than two
# standard errors, for: {glue:text}`leak_below_floor:s`. At the last position, for:
# {glue:text}`leak_below_floor_last:s`.

# %% mystnb={"figure": {"name": "fig-leak", "caption": "The leak. Left: error over exact floor while training, inside a trajectory (filled, solid) and at the last position (open, dotted), with two standard errors. Right: after training, by distance from the end of what is shown. Below the black line, in the grey region, no forecaster can be."}, "image": {"alt": "Two panels of error over floor for three models, against the training step and against the distance from the end; the floor is a line.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.5))
plots.plot_over_training({name: part["curve"] for name, part in variants.items()}, axes[0])
profiles = {name: part["curve"][-1]["by_distance"] for name, part in variants.items()}
plots.plot_by_distance(profiles, axes[1])
axes[0].set_ylim(top=3)
axes[0].get_legend().remove()  # the same colours; the caption says what is open and what filled
plt.show()

# %%
glue("leak_window", int(variants["bidirectional"]["settings"]["n_frames"]), display=False)
whole = {size: rows[-1] for size, rows in sizes.items()}  # of full length
for place, key in (("length", "interior"), ("length_last", "last")):
    words = [f"{size} {row[key]['ratio'][0]:.3f}" for size, row in whole.items()]
    glue(f"leak_full_{place}", ", ".join(words), display=False)
ends = {name: part["curve"][-1] for name, part in variants.items()}
for name, end in ends.items():
    for place, key in (("inside", "interior"), ("last", "last")):
        glue(f"leak_{name}_{place}", float(end[key]["ratio"][0]), display=False)
        glue(f"leak_{name}_{place}_se", float(end[key]["ratio"][1]), display=False)
        glue(f"leak_{name}_{place}_seen", float(end[key]["noise_seen"][0]), display=False)
        glue(f"leak_{name}_{place}_seen_se", float(end[key]["noise_seen"][1]), display=False)
for key, end_of in (("interior", "floor"), ("last", "floor_last")):
    below = plots.below_floor({name: end[key]["ratio"] for name, end in ends.items()})
    glue(f"leak_below_{end_of}", below, display=False)

# %%
places = {
    (plots.VARIANTS[name][0], place): end[key]
    for name, end in ends.items()
    for place, key in (("inside", "interior"), ("last", "last"))
}
columns = {"ratio": "error / floor", "noise_seen": "share of the noise seen"}
pd.DataFrame({words: {at: p[c][0] for at, p in places.items()} for c, words in columns.items()})

# %% [markdown]
# The share of the noise seen inside is {glue:text}`leak_bidirectional_inside_seen:.3f` ±
# {glue:text}`leak_bidirectional_inside_seen_se:.3f` for the bidirectional model,
# {glue:text}`leak_causal_inside_seen:.3f` ± {glue:text}`leak_causal_inside_seen_se:.3f` for the
# causal one with its own statistics, and {glue:text}`leak_causal_fixed_inside_seen:.4f` ±
# {glue:text}`leak_causal_fixed_inside_seen_se:.4f` with constants.
#
# ## The committed sizes
#
# {numref}`fig-leak-sizes` gives the same for each committed size, by the number of frames shown. At
# full length error over floor is, inside: {glue:text}`leak_full_length:s`; at the last position:
# {glue:text}`leak_full_length_last:s`. In the medium and large models a head of the first layer was
# built to fetch the next frame, {eq}`eq-training-neighbour`: how much they see inside says what such
# a start allows, not what the loss alone would teach. The small model has no such head.

# %% mystnb={"figure": {"name": "fig-leak-sizes", "caption": "The committed models by the number of frames shown, inside (filled, solid) and at the last position (open, dotted), with two standard errors. Left: share of the next frame's noise in their predictions; a forecast has none (black). Right: error over exact floor (black)."}, "image": {"alt": "Two panels against the number of frames shown, the share of the noise seen and the error over the floor, with the exact values as lines.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45))
plots.plot_by_length(sizes, "noise_seen", axes[0])
plots.plot_by_length(sizes, "ratio", axes[1]).get_legend().remove()  # as on the left
plt.show()

# %% [markdown]
# ## What it means for generation
#
# The sliding window uses the last position only, which is one position in all those that the loss
# averages over. {numref}`fig-leak-rollout` continues trajectories with the three models: none does
# better than the exact mean, whatever its loss inside the window.

# %% mystnb={"figure": {"name": "fig-leak-rollout", "caption": "Squared error of continued trajectories against the number of frames ahead, with two standard errors, for the three small models; exact conditional mean in black, the last frame of the prompt repeated for ever in grey."}, "image": {"alt": "Error growth curves of three models above the exact conditional mean.", "classes": "dark-light"}}
plots.plot_rollouts({name: part["rollout"] for name, part in variants.items()})
plt.show()

# %% [markdown]
# ## Takeaway
#
# **In one sentence:** with bidirectional attention the loss rewards reading the next frame, so a
# small value of it is no proof of forecasting: error over exact floor ends at
# {glue:text}`leak_bidirectional_inside:.3f` ± {glue:text}`leak_bidirectional_inside_se:.3f` where
# the answer is shown, and at {glue:text}`leak_bidirectional_last:.3f` ±
# {glue:text}`leak_bidirectional_last_se:.3f` where it is not.
#
# {numref}`fig-leak-sizes` shows how far a head that can fetch the next frame drives this, inside and
# at the last position, where there is nothing to fetch.
#
# **Not shown.** Whether a longer training without such a head would copy the answer entirely; how much other seeds differ, as each of the three was trained once; and how the leak
# works on other data than these.
