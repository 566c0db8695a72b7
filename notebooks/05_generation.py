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
# # Trajectory generation
#
# Can an encoder that was trained to fill in next frames continue a trajectory on its own? The
# poster {cite}`leban2025` shows continuations beside what the particle really did. This chapter
# draws the same figure and holds the continuations against the best forecast there is, the exact
# conditional mean. The answer: the mechanism works, and any prompt is continued. As a forecast of
# one frame, the exact mean saves {glue:text}`generation_exact_skill:.2f` of the error of "the
# particle stays"; our models, shown {glue:text}`generation_window:d` frames as in the last stage of their training, save
# {glue:text}`generation_skills:s`. A negative number is a loss. (Square brackets: 95% interval over
# trajectories. Round ones: the lowest and the highest training.)

# %% tags=["hide-input"]
from dataclasses import replace

from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.checks import checked_count
from mb_support.model import load_checkpoint
from mb_support.plotting import generation as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.reference.forecast import exact_forecast
from mb_support.simulation import REGIMES
from mb_support.studies.generation import study, tables

# %% tags=["parameters", "hide-input"]
profile = "smoke"
n_shown = 50  # frames of the prompt drawn in the first figure

# %% tags=["remove-stderr", "hide-cell"]
use_style()
settings, measured = get_profile(profile), study.GenerationMeasurement()
n_shown = checked_count("n_shown", n_shown, 1, measured.last + 1)
trainings, exact = study.load(settings.sizes)
models = {size: load_checkpoint(size) for size in trainings}
committed = study.of_committed(trainings, models)
data, last = measured.trajectories(max(settings.n_prompts)), measured.last
print(
    f"profile {settings.name}; trainings", {size: len(found) for size, found in trainings.items()}
)

# %% [markdown]
# ## Three steps, over and over
#
# The poster generates in three steps: feed the model a window of $N$ frames; append its prediction;
# drop the oldest frame and begin again. With $f$ the head that is trained to give the next frame at
# every position, one pass is
#
# $$ \hat{\mathbf{x}}_{N+1} = f(\mathbf{x}_{1:N})_N , \qquad
# \mathbf{x}_{1:N} \leftarrow (\mathbf{x}_{2:N}, \hat{\mathbf{x}}_{N+1}) . $$ (eq-generation-window)
#
# To gain $k$ frames from one pass, the author's code appends the last $k$ outputs,
# $f_{N-k+1}, \dots, f_N$. We do the same. Only $f_N$ forecasts a frame that is not in the window; the
# other outputs were trained to give frames that the bidirectional encoder is shown. Two details
# differ. His code standardises by the prompt throughout (`generate(..., statistics="prompt")`); ours
# standardises each window by itself, as the model does with any trajectory. And after a pass his
# window moves on by one frame even if $k$ were appended.
#
# There are two prompts: one of 100 frames, and one as in the last stage of training, where the
# encoder is shown 511 frames. Both end with the same frame, so both are asked for the same future.
#
# The particle is Markovian: the best forecast in the sense of squared distance needs the last frame
# only. It is the conditional mean, and its error is the floor:
#
# $$ \bar{\mathbf{x}}_h(\mathbf{x}_N) = \mathrm{E}[\mathbf{x}_{N+h} \mid \mathbf{x}_N] , \qquad
# \sigma_h^2 = \mathrm{E}\,|\mathbf{x}_{N+h} - \bar{\mathbf{x}}_h(\mathbf{x}_N)|^2 .
# $$ (eq-generation-floor)
#
# The grid solver of the first chapter gives both. A frame lasts about one relaxation time of a
# valley, so after a few frames the exact mean no longer depends on where in its valley the particle
# was.

# %% [markdown]
# ## Actual and generated
#
# {numref}`fig-generation-continuations` shows the first trajectory of the test set, not a chosen one,
# continued live by the stored model of each size.

# %% tags=["remove-stderr", "hide-input"]
n_steps = settings.n_long_frames
solver = replace(measured, grid_step=settings.grid_step).solver()
actual = data[0, last + 1 - n_shown : last + 1 + n_steps]
runs = study.continuations(models, data[0], measured, n_steps, n_shown)
horizons = study.forecast_horizons(n_steps, 20)
frame_time = REGIMES["metastable"].frame_time
means, variances = exact_forecast(solver, data[:1, last], frame_time, horizons)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-continuations", "caption": "The first test trajectory (grey) and its continuations by the stored model of each size, one frame per step, from a prompt of 511 frames (solid) and of 100 frames (dashed). Left x, right y, in reduced length; a frame is 0.02 of time; the end of the prompt is shaded. Black: the exact conditional mean, which knows the last frame only, with a band of one standard deviation. The best forecast is smooth: it goes to the bottom of the valley and stays. n = 1 trajectory and one training of each size; a curve that runs away leaves its panel."}, "image": {"alt": "Coordinates x and y against frame number, a row for each size; the actual curve fluctuates about the exact mean, generated ones are smoother, and some drift away.", "classes": "dark-light"}}
fig, axes = plt.subplots(
    len(runs), 2, figsize=figure_size(1, 0.2 + 0.2 * len(runs)), sharex=True, squeeze=False
)
plots.plot_continuations(actual, runs, n_shown, (horizons, means[0], variances[0]), axes)
plt.show()

# %% [markdown]
# ## One step, looked at closely
#
# Everything rests on the first step. {numref}`fig-generation-first-step` compares it with *persistence*,
# repeating the last frame: the *error saved* is one minus the ratio of mean squared errors on the same
# trajectories. Windows of several lengths end in the same frame.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-first-step", "caption": "Error that a one-step forecast saves against persistence (the last frame, repeated), by length of the window: mean and range over the trainings of each size (points of different sizes are set apart slightly). Black: the exact conditional mean with its 95% interval over 600 trajectories; it knows raw positions, which a model has to infer from its window, so that short windows may leave less. Bars (over trainings) and band (over trajectories) mean different things. To compare a model with the exact mean, take the ratio below the table, which is on the same trajectories. Below the dotted line a forecast is worse than none. n = 600, 400 and 200 trajectories for small, medium and large; their intervals and the numbers of trainings are in the table."}, "image": {"alt": "Error saved against the number of frames in the window; all models lie below the exact value.", "classes": "dark-light"}}
plots.plot_saved(measured.windows, tables.saved(trainings, exact), tables.exact_saved(exact))
plt.show()

# %% [markdown]
# Error saved: mean over trainings, [95% bootstrap interval over trajectories], (lowest to highest
# training). In the tables of this chapter *n* counts trajectories, and *seeds* trainings.

# %% tags=["hide-input"]
tables.saved_table(trainings, exact)

# %% [markdown]
# On the same trajectories, after the longest window, the error over that of the exact mean is
# {glue:text}`generation_over_exact:s`. {doc}`08_leak` measures this ratio anew, on other trajectories, at
# the last position of whole windows.
#
# A negative number is a forecast worse than the frame it was given. One reason may be the loss. It
# averages over all outputs, and only the last one forecasts: forecasting has the weight of one frame in
# a window, while all other outputs can look at their answer. {doc}`08_leak` shows which models do: they
# have learned to copy the next frame from the input, and at the last position it is missing. Models that do
# not copy must fall short for other reasons, of which none was tested. One may be the unit. The loss counts errors in
# standard deviations of the window; in a window that has seen both valleys these are large, and an
# error inside one valley counts little. Long windows more often hold both valleys.
#
# The numbers are kept in `results/generation`. The stored models repeat some of them
# while this page is built, and have to agree:

# %% tags=["remove-stderr", "hide-cell"]
repeated = study.repeated(models, committed, data, measured, settings.n_prompts)

# %% tags=["hide-cell"]
# NBVAL_CHECK_OUTPUT
for size, difference in repeated.items():
    print(f"{size}: kept errors are repeated: {difference < 1e-3}")
print("error saved by the exact mean:", round(tables.exact_saved(exact)[0], 2))

# %% [markdown]
# ## How fast errors grow
#
# {numref}`fig-generation-error-growth` follows the continuations. The error of the exact mean itself
# grows until the valley is forgotten. Errors are therefore given in units of it, on the same
# trajectories. Up to how many frames ahead does a model beat a forecast without a model? The
# last frame, repeated, after prompts of 511 frames: {glue:text}`generation_ahead_long:s`. The prompt's mean, after
# prompts of 100 frames: {glue:text}`generation_ahead_short:s`. (The figure has both
# rivals for both prompts. Mean over trainings, up to the horizon at which the model is first worse; {glue:text}`generation_furthest:d` is the last.)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-error-growth", "caption": "Mean squared error over that of the exact mean (black), against the number of frames ahead; means over trainings, with bands from the lowest to the highest. Grey: the last frame of the prompt, and the mean of the prompt, repeated for ever. Appending ten frames per step costs most in the first frames, which are echoes of the prompt. n = 64, 32 and 24 trajectories for small, medium and large, so that single values scatter; intervals are in the table. What runs away leaves its panel."}, "image": {"alt": "Three panels of error ratios against the number of frames ahead, for two prompts and for ten frames per step; models lie above the exact mean.", "classes": "dark-light"}}
kinds = {"511 frames": (511, 1), "100 frames": (100, 1), "511 frames, 10 per step": (511, 10)}
panels = {title: tables.growth(trainings, exact, *kind) for title, kind in kinds.items()}
fig, axes = plt.subplots(2, 2, figsize=figure_size(1, 0.75), sharey=True)
plots.plot_growth_panels(panels, axes)
plt.show()

# %% [markdown]
# The same ratio at three horizons, for both prompts and for all numbers of frames per step (mean over
# trainings, intervals and ranges as above):

# %% tags=["hide-input"]
tables.growth_table(trainings, exact)

# %% [markdown]
# ## Later slices
#
# The poster finds that predictions deteriorate for later slices of a trajectory. For states that is
# the subject of {doc}`06_classification`. For next frames, slices of 100 frames are cut later and
# later from the same trajectories, and the frame after each slice is forecast. The table gives the
# squared error beyond that of the exact mean, as a share of the latter, so that frames which are hard
# for everybody do not count. The model standardises every slice and counts its positions from zero:
# it does not know where the slice began.

# %% tags=["hide-input"]
tables.slices_table(trainings, exact)

# %% [markdown]
# The mean excess does not grow; from the first and the last slice it is
# {glue:text}`generation_excess:s`. That forecasts get worse is, training by training,
# {glue:text}`generation_deteriorates:s`.
#
# ## How continuations end
#
# One frame per step makes the generator a deterministic map from one window to the next. Nothing
# keeps it moving, and nothing keeps it on the map, the rectangle on which the potential was drawn:
# each window is standardised by itself, so the model never sees where it is. A continuation can come
# to rest at a fixed point, keep moving, or leave. It *jumps off* if it leaves the map with a step
# longer than any that the particle made, and *drifts off* if it leaves with smaller ones. It is *at
# rest* if it spreads less than {glue:text}`generation_standstill:.3f` over its last twenty frames, a
# tenth of what a particle in a valley does.

# %% tags=["hide-input"]
tables.ends_table(trainings)

# %% [markdown]
# How many continuations of each training end so (one number for each training, zero if there are none),
# out of how many. *Frames off the map* is a share: mean over trainings (lowest to highest). The last two
# columns are the frame at which continuations left the map, and how far those at rest stand from the
# nearest minimum: median (lower to upper quartile). The fixed point of a perfect forecast of the mean would lie near a
# minimum. Of the long continuations from 100 frames these leave the map, training by training:
# {glue:text}`generation_runaways:s`. {numref}`fig-generation-long-run` draws some of them.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-long-run", "caption": "Four test trajectories over 400 frames, each ending in a dot, over the Boltzmann density (colours, four decades) on the whole map: what the particle really did, and continuations from the same prompts of 100 frames by the stored model of each size, one frame per step. The particle fills its valley; a generator without noise runs into a point or leaves. n = 4 of the trajectories counted in the table above, one training of each size."}, "image": {"alt": "Maps of the plane: actual paths fill valleys, generated ones run into points or off the map.", "classes": "dark-light"}}
drawn = {"actual": exact["drawn"]}
drawn |= {size: content["long"]["drawn"] for size, content in committed.items()}
fig, axes = plt.subplots(len(drawn) // 2, 2, figsize=figure_size(1, 0.48 * (len(drawn) // 2)))
for ax, (name, paths) in zip(axes.flat, drawn.items(), strict=True):
    plots.plot_trails(paths, solver, name, ax)
plt.show()

# %% [markdown]
# ## Why several frames per step look livelier
#
# A block of $k$ outputs that are appended at once comes from the last $k$ positions of the prompt: the
# block *sits on* these frames. It was asked for the frames one later, of which all but the last are in
# the window too. The table correlates the block with both (mean over trainings, [95% bootstrap interval
# over trajectories], (lowest to highest training)).

# %% tags=["hide-input"]
tables.echo_table(trainings)

# %% [markdown]
# A high correlation with either means that the block is an echo of the prompt; the next block is an
# echo of that. Its fluctuations are the prompt's, played again. A model that forecasts each frame from
# the one before stays close to that frame, and correlates with the frames it sits on. A model that has
# learned to read the next frame in its input correlates with the frames it was asked for, and repeats
# the end of the prompt almost frame by frame. As a forecast, a block starts behind: its first frame
# stands for one that lies $k$ frames back ({numref}`fig-generation-error-growth`, lower panel).

# %% tags=["remove-cell"]
for key, value in tables.words(trainings, exact).items():
    glue(f"generation_{key}", value, display=False)

# %% [markdown]
# ## Takeaway
#
# - The poster's procedure works as a mechanism: models of every size continue any prompt. Long
#   continuations that leave the map, training by training: {glue:text}`generation_runaways:s`.
# - A forecast has to be compared with the last frame and with the exact mean. The first step saves
#   {glue:text}`generation_skills:s`, where {glue:text}`generation_exact_skill:.2f` can be had.
# - Several frames per step buy speed with outputs that belong to the prompt: the livelier curves are
#   its echoes.
# - A mean is not a trajectory. Even the perfect forecaster of this loss would draw the smooth black
#   line of {numref}`fig-generation-continuations`. To generate trajectories with the right
#   fluctuations and rates, a model has to draw from a distribution; {doc}`09_kinetics` does so with a
#   causal one.
# - Not shown: long continuations in the window of training, whose passes cost five times as much;
#   whether more weight on the last position would help; and the `wild` regime.
