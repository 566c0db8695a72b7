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
# poster {cite}`leban2025` shows continuations beside what the particle really did. Here the same
# figure is drawn from trained models, and the continuations are held against the best
# forecast there is, the exact conditional mean. The mechanism works: any prompt is continued. As a
# forecast, one frame ahead, the exact mean saves {glue:text}`generation_exact_skill:.2f` of the error
# of "the particle stays"; our models, shown the window they were trained on, save
# {glue:text}`generation_skills:s`.

# %% tags=["hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import GridSolver, get_profile
from mb_support.generation import STANDSTILL
from mb_support.model import load_checkpoint
from mb_support.plotting import generation as forecasts
from mb_support.plotting.style import figure_size, use_style
from mb_support.reference.forecast import exact_forecast
from mb_support.simulation import REGIMES
from mb_support.studies.generation import study, tables

# %% tags=["parameters", "hide-input"]
profile = "smoke"
n_shown = 50  # frames of the prompt drawn in the first figure

# %% tags=["remove-stderr", "hide-input"]
use_style()
settings = get_profile(profile)
trainings, exact = study.load(settings.sizes)
models = {size: load_checkpoint(size) for size in trainings}
committed = study.of_committed(trainings, models)
measured = study.GenerationMeasurement()
data, last = measured.trajectories(max(settings.n_prompts)), max(measured.prompts) - 1
print(
    f"profile {settings.name}; trainings", {size: len(found) for size, found in trainings.items()}
)

# %% [markdown]
# ## Three steps, over and over
#
# The poster generates in three steps: feed the model a window of $N$ frames; take its prediction
# and append it; drop the oldest frame and begin again. With $f$ the head that is trained to give
# the next frame at every position, one pass is
#
# $$ \hat{\mathbf{x}}_{N+1} = f(\mathbf{x}_{1:N})_N , \qquad
# \mathbf{x}_{1:N} \leftarrow (\mathbf{x}_{2:N}, \hat{\mathbf{x}}_{N+1}) . $$ (eq-generation-window)
#
# To gain $k$ frames from one pass, the author's code appends the last $k$ outputs,
# $f_{N-k+1}, \dots, f_N$. We do the same, but note what these are: only $f_N$ forecasts something
# that is not in the window. The others were trained to give frames which the bidirectional encoder
# is shown. (Two details differ: his code standardises by the prompt throughout, ours each window by
# itself, as the model does with any trajectory; and after a pass his window moves on by one frame
# even if $k$ were appended. `generate(..., statistics="prompt")` covers the first.)
#
# Two prompts are used: one of 100 frames, and one as in the last stage of training, where the encoder
# is shown 511 frames. Both end with the same frame, so that the same future is asked for.
#
# The particle is Markovian, so the best forecast in the sense of squared distance needs the last
# frame only. It is the conditional mean, and its error is the floor:
#
# $$ \bar{\mathbf{x}}_h(\mathbf{x}_N) = \mathrm{E}[\mathbf{x}_{N+h} \mid \mathbf{x}_N] , \qquad
# \sigma_h^2 = \mathrm{E}\,|\mathbf{x}_{N+h} - \bar{\mathbf{x}}_h(\mathbf{x}_N)|^2 .
# $$ (eq-generation-floor)
#
# The grid solver of the first chapter gives both. A frame is about one relaxation time in a valley,
# so after a few frames the exact mean has forgotten where in its valley the particle was.

# %% [markdown]
# ## Actual and generated
#
# {numref}`fig-generation-continuations` shows the first trajectory of the set, not a chosen one,
# continued live by the committed model of each size.

# %% tags=["remove-stderr", "hide-input"]
n_steps = settings.n_long_frames
actual = data[0, last + 1 - n_shown : last + 1 + n_steps]
runs = study.continuations(models, data[0], measured, n_steps, n_shown)
config = REGIMES["metastable"]
solver = GridSolver(config.beta, config.diffusion, settings.grid_step)
horizons = study.forecast_horizons(n_steps, 20)
means, variances = exact_forecast(solver, data[:1, last], config.frame_time, horizons)
best = horizons, means[0], variances[0]

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-continuations", "caption": "The first test trajectory (grey) and its continuations (colour) by the committed model of each size, one frame per step, from prompts of 511 and of 100 frames; the end of the prompt is shaded. Black: the exact conditional mean, with a band of one standard deviation, known from the last frame of the prompt alone. x and y in reduced length, a frame is 0.02 of time. What runs away leaves the panel. n = 1 trajectory."}, "image": {"alt": "Coordinates x and y against frame number; the actual curve fluctuates, the generated ones are smooth.", "classes": "dark-light"}}
height = 0.24 * len(runs) if len(runs) > 2 else 0.5
fig, axes = plt.subplots(len(runs), 2, figsize=figure_size(1, height), sharex=True, squeeze=False)
forecasts.plot_continuations(actual, runs, n_shown, best, axes)
plt.show()

# %% [markdown]
# ## One step, looked at closely
#
# Everything rests on the first step. {numref}`fig-generation-first-step` compares it, on the same
# trajectories, with copying the last frame: the *error saved* is one minus the ratio of mean
# squared errors. Windows of several lengths end in the same frame.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-first-step", "caption": "Error that a one-step forecast saves against copying the last frame, by length of the window: mean and range over the trainings of each size (points of different sizes are set apart slightly; a size trained once has no range). Black: the exact conditional mean with its 95% interval over trajectories. Below the dotted line a forecast is worse than none. n = 600, 400 and 200 trajectories for small, medium and large; their intervals, and the numbers of trainings, are in the table."}, "image": {"alt": "Error saved against the number of frames in the window, with the exact value as a black line.", "classes": "dark-light"}}
saved = tables.saved(trainings, exact)
forecasts.plot_saved(measured.windows, saved, tables.exact_saved(exact))
plt.show()

# %% [markdown]
# Mean over trainings, [95% bootstrap interval over trajectories], (lowest to highest training):

# %% tags=["hide-input"]
tables.saved_table(trainings, exact)

# %% [markdown]
# A negative number is a forecast worse than the frame it was given. One reason may lie in the loss: of the
# outputs that it averages over, only the last one forecasts, so forecasting has the weight of one
# frame in a window, while all others can look at their answer. {doc}`08_leak` shows which models do.
# A model that does has learned to copy a frame that, at the last position, does not exist. Another may lie
# in its units: the loss counts errors in standard deviations of the window, and so makes little of them
# in windows that have seen both valleys, which long windows more often have.
#
# The numbers are kept in `results/generation`; the committed models give them again, live:

# %% tags=["remove-stderr", "hide-input"]
repeated = study.repeated(models, committed, data, measured, settings.n_prompts)

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
for size, difference in repeated.items():
    print(f"{size}: kept errors are repeated: {difference < 1e-3}")
print("error saved by the exact mean:", round(tables.exact_saved(exact)[0], 2))

# %% [markdown]
# ## How fast errors grow
#
# {numref}`fig-generation-error-growth` goes on from there. The error of the exact mean grows itself
# until the valley is forgotten, so errors are given in units of it, on the same trajectories.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-error-growth", "caption": "Mean squared error over that of the exact mean (black), against the number of frames ahead; bands are ranges over trainings, if there are several. Left and middle: one frame per step, from the window of training and from a prompt of 100 frames. Right: ten frames per step. Grey: the prompt's last frame and its mean, repeated for ever. n = 64, 32 and 24 trajectories for small, medium and large; intervals over them are in the tables. Errors that leave the panel are those of runaways."}, "image": {"alt": "Three panels of error ratios against the number of frames ahead; models lie above the exact mean.", "classes": "dark-light"}}
panels = [(511, 1), (100, 1), (511, 10)]
fig, axes = plt.subplots(1, 3, figsize=figure_size(1, 0.4), sharey=True)
for ax, (n_prompt, k) in zip(axes, panels, strict=True):
    title = f"{n_prompt} frames, {k} per step"
    forecasts.plot_error_growth(*tables.growth(trainings, exact, n_prompt, k), title, ax)
for ax in axes[1:]:
    ax.set_ylabel("")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# The same at three horizons, from 511 and from 100 frames, one frame per step (as in the table above):

# %% tags=["hide-input"]
tables.growth_table(trainings, exact, 511)

# %% tags=["hide-input"]
tables.growth_table(trainings, exact, 100)

# %% [markdown]
# ## Later slices
#
# The poster finds that predictions deteriorate for later slices of a trajectory. For states that is
# the subject of {doc}`06_classification`. For next frames, slices of 100 frames are cut from later and
# later in the same trajectories, and the frame after each is forecast. The table gives the squared
# error beyond that of the exact mean, as a share of the latter: how hard the frames themselves are
# drops out. The model standardises every slice and counts its positions from zero, so it does not know
# where the slice began.

# %% tags=["hide-input"]
tables.slices_table(trainings, exact)

# %% [markdown]
# That forecasts from the last slice exceed the exact error by more than those from the first:
# {glue:text}`generation_deteriorates:s`.
#
# ## How continuations end
#
# One frame per step makes the generator a deterministic map of windows. Such a map has nothing to keep
# it going, and nothing to keep it on the map, the rectangle on which the potential was drawn: each
# window is standardised by itself, so the model never sees where it is. A continuation can come to
# rest at a fixed point, go on moving, or leave. It *jumps off* if it leaves the map with a step longer
# than any that the particle made, and *drifts off* if it leaves with smaller ones. At rest is who
# spreads less than {glue:text}`generation_standstill:.3f` over the last twenty frames, a tenth of what
# a particle in a valley does.

# %% tags=["hide-input"]
tables.ends_table(trainings)

# %% [markdown]
# Shares of all continuations: mean over trainings, [mean of their 95% intervals over trajectories:
# Wilson's, or by bootstrap for frames off the map, if any are], (lowest to highest training). The long
# continuations from 100 frames that leave the map: {glue:text}`generation_runaways:s`.
# {numref}`fig-generation-long-run` draws some of the committed models. How far those at rest
# stand from the nearest minimum is in the last column (median); the fixed point of a perfect forecast of
# the mean would lie near one.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-generation-long-run", "caption": "Four trajectories over 400 frames, each ending in a dot, over the Boltzmann density (colours, four decades) on the whole map. Left, what the particle really did; then the continuations from the same prompts of 100 frames by the committed model of each size, one frame per step. n = 4 of the trajectories counted in the table above."}, "image": {"alt": "Maps of the plane: actual paths fill valleys, generated ones run into points or out of the map.", "classes": "dark-light"}}
drawn = {"actual": exact["drawn"]}
drawn |= {size: content["long"]["drawn"] for size, content in committed.items()}
fig, axes = plt.subplots(1, len(drawn), figsize=figure_size(1, 0.34), sharey=True)
for ax, (name, paths) in zip(axes, drawn.items(), strict=True):
    forecasts.plot_trails(paths, solver, name, ax)
for ax in axes[1:]:
    ax.set_ylabel("")
plt.show()

# %% [markdown]
# ## Why several frames per step look livelier
#
# Correlate a block of appended frames with frames of the prompt: those that the outputs sit on, and
# those after them, which they were asked for and which, but for the last, are in the window.

# %% tags=["hide-input"]
tables.echo_table(trainings)

# %% [markdown]
# Mean over trajectories and trainings (lowest to highest training, if there are several). A block that correlates with
# either is an echo of the prompt, and the next one an echo of that: its wiggles are the prompt's noise,
# played again. A forecast made at each frame, or a copy of it, gives the first; one that has learned to read
# the next frame in its input gives the second, and repeats the end of the prompt almost frame by frame.
# As a forecast a block starts behind, since its first frame stands for one that lies as far
# back as the block is long (right panel of {numref}`fig-generation-error-growth`).

# %% tags=["remove-cell"]
glue("generation_skills", tables.saved_in_words(trainings, exact), display=False)
glue("generation_small_skill", float(saved["small"][:, -1, 0].mean()), display=False)
glue("generation_exact_skill", tables.exact_saved(exact)[0], display=False)
glue("generation_runaways", tables.left_the_map(trainings), display=False)
slices = tables.deteriorates(trainings, exact)
glue("generation_deteriorates", tables.in_words(slices, trainings), display=False)
glue("generation_standstill", STANDSTILL, display=False)

# %% [markdown]
# ## Takeaway
#
# - The poster's procedure works as a mechanism: any prompt is continued, by every size. Nothing keeps
#   them on the map: shares of long continuations that leave it are {glue:text}`generation_runaways:s`.
# - As a forecast it has to be compared with the last frame and the exact mean, of which the first step
#   reaches {glue:text}`generation_skills:s`, where {glue:text}`generation_exact_skill:.2f` can be had.
# - Several frames per step buy speed with outputs that belong to the prompt: the livelier curves are its
#   echoes.
# - A mean is not a trajectory. Even the perfect forecaster of this loss would draw the smooth
#   black line of {numref}`fig-generation-continuations`: to generate trajectories with the right
#   fluctuations and rates, a model has to draw from a distribution of the right shape
#   ({doc}`09_kinetics` does so with a causal one).
# - Not shown: long continuations in the window of training, whose passes cost five times as much;
#   whether more weight on the last position would help; and the `wild` regime.
