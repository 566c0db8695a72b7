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
# figure is drawn from our models, and the continuations are held against the best forecast there
# is, the exact conditional mean, and against forecasts that need no model at all. The mechanism works.
# As a forecast, one frame ahead, the exact mean saves {glue:text}`generation_exact_skill:.2f` of the
# error of "the particle stays"; our models save: {glue:text}`generation_skills:s`.

# %%
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import GridSolver, get_profile
from mb_support import forecast_scores as fs
from mb_support.classification import verdict, verdicts_in_words
from mb_support.datasets import make_dataset
from mb_support.generation import continue_set, echo, one_step_forecasts
from mb_support.inference import checkpoint_sizes, load_checkpoint
from mb_support.plotting import forecasts
from mb_support.plotting.style import figure_size, use_style

# %% tags=["parameters"]
profile = "smoke"
seed = 0  # number of the test set
n_prompt = 100  # frames the model is given
n_steps = 200  # frames it adds, at least `many`
several = 10  # frames per step, where it is not one
many = 50  # and far too many; at most `n_prompt`

# %% tags=["remove-stderr"]
use_style()
settings = get_profile(profile)
n_prompts = dict(zip(settings.sizes, settings.n_prompts, strict=True))
sizes = [size for size in settings.sizes if size in checkpoint_sizes()]
models = {size: load_checkpoint(size) for size in sizes}
data = make_dataset(4 * max(settings.n_prompts), "test", seed)
print(f"profile {settings.name}; sizes {', '.join(sizes)}; {len(data)} test trajectories")

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
# The particle is Markovian, so the best forecast in the sense of squared distance needs the last
# frame only. It is the conditional mean, and its error is the floor:
#
# $$ \bar{\mathbf{x}}_h(\mathbf{x}_N) = \mathrm{E}[\mathbf{x}_{N+h} \mid \mathbf{x}_N] , \qquad
# \sigma_h^2 = \mathrm{E}\,|\mathbf{x}_{N+h} - \bar{\mathbf{x}}_h(\mathbf{x}_N)|^2 .
# $$ (eq-generation-floor)
#
# The grid solver of the first chapter gives both.

# %% tags=["remove-stderr"]
blocks = (1, several)
runs = {
    (size, k): continue_set(models[size], data, n_prompts[size], n_prompt, n_steps, k)
    for size in sizes
    for k in blocks
}

# %%
n = max(settings.n_prompts)
future = data.trajectories[:n, n_prompt : n_prompt + n_steps]
prompt = data.trajectories[:n, :n_prompt]
solver = GridSolver(data.config.beta, data.config.diffusion, settings.grid_step)
horizons = fs.forecast_horizons(n_steps, 20)
exact = fs.exact_forecast(solver, prompt[:, -1], data.config.frame_time, horizons)

# %% [markdown]
# ## Actual and generated
#
# {numref}`fig-generation-continuations` shows the first trajectory of the test set, not a chosen
# one.

# %% mystnb={"figure": {"name": "fig-generation-continuations", "caption": "The first test trajectory (grey) and its continuation (colour) from a prompt of 100 frames (shaded), for each size and for one and several frames per step. Black: the exact conditional mean, with a band of one standard deviation, known from the last frame of the prompt alone; x and y in reduced length. What runs away leaves the panel. Several frames per step look livelier because they repeat the end of the prompt."}, "image": {"alt": "Coordinates x and y against frame number; generated curves leave the actual one soon after the prompt.", "classes": "dark-light"}}
height = 0.24 * len(runs) if len(runs) > 2 else 0.6
fig, axes = plt.subplots(len(runs), 2, figsize=figure_size(1, height), sharex=True, squeeze=False)
first = {key: frames[0] for key, frames in runs.items()}
forecasts.plot_continuations(
    data.trajectories[0, : n_prompt + n_steps], first, n_prompt, exact, axes
)
plt.show()

# %% [markdown]
# ## How fast errors grow
#
# One frame per step either settles into a line without noise or runs away: the share of generated
# frames that lie off the map, outside the rectangle on which the potential was drawn, is
# {glue:text}`generation_runaways:s` with one frame per step, over all prompts.
# {numref}`fig-generation-error-growth` averages the squared distance to the actual frames over many
# prompts, fewer for the larger models. A forecast is worth something where it lies below both grey lines.

# %%
growth = {
    k: {
        size: fs.error_growth(runs[size, k][:, n_prompt:], future[: len(runs[size, k])], horizons)
        for size in sizes
    }
    for k in blocks
}
cheap = {
    name: fs.error_growth(forecast, future, horizons)[0]
    for name, forecast in fs.baseline_forecasts(prompt, n_steps).items()
}
floor = exact.variances.sum(axis=-1).mean(axis=0)

# %% tags=["remove-cell"]
gone = {size: fs.is_off_the_map(solver, runs[size, 1][:, n_prompt:]).mean() for size in sizes}
words = [f"{size} {share:.2f} ({len(runs[size, 1])} prompts)" for size, share in gone.items()]
glue("generation_runaways", ", ".join(words), display=False)

# %% mystnb={"figure": {"name": "fig-generation-error-growth", "caption": "Mean squared error against horizon, one frame per step (left) and several (right), with bootstrap bands over prompts. Black: the exact floor; grey: the prompt's last frame and its mean, repeated for ever. No forecaster can lie below the black line on average; where prompts are few, a band may. Errors that leave the panel are those of runaways."}, "image": {"alt": "Two panels of errors rising with the number of frames ahead; models lie above the exact floor.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45), sharey=True)
for ax, k in zip(axes, blocks, strict=True):
    forecasts.plot_error_growth(horizons, growth[k], cheap, floor, ax)
    ax.set_title(f"{k} per step")
axes[1].set_ylabel("")
axes[0].legend(fontsize=7.5)
plt.show()

# %%
# NBVAL_CHECK_OUTPUT
errors = pd.DataFrame({"exact floor": floor, **cheap}, index=pd.Index(horizons))
for size, k in runs:
    errors[f"{size}, {k} per step"] = growth[k][size][0]
table = errors.iloc[[0, len(horizons) // 2, -1]].T.rename_axis(columns="frames ahead")
print(table.to_string(float_format="{:.2g}".format))

# %% [markdown]
# ## One step, looked at closely
#
# Everything rests on the first step. {numref}`fig-generation-first-step` compares it, on the same
# trajectories, with copying the last frame: the *error saved* is one minus the ratio of mean
# squared errors. Windows of several lengths end in the same frame.

# %% tags=["remove-stderr"]
lengths, last = sorted({25, 50, 100, 250, 500, n_prompt}), 499
target, copied = data.trajectories[:, last + 1], data.trajectories[:, last]
skills = {}
for size in sizes:
    m = 4 * n_prompts[size]
    found = one_step_forecasts(models[size], data.trajectories[:m], last, lengths)
    skills[size] = [fs.skill(forecast, copied[:m], target[:m]) for forecast in found]

# %%
one_frame = fs.exact_forecast(solver, copied, data.config.frame_time, [1])
exact_skill = fs.skill(one_frame.means[:, 0], copied, target)

# %% mystnb={"figure": {"name": "fig-generation-first-step", "caption": "Error that a one-step forecast saves against copying the last frame, by length of the window (bootstrap intervals over trajectories; points of different sizes are set apart slightly). Black: the exact conditional mean on the same trajectories. Below the dotted line a forecast is worse than none."}, "image": {"alt": "Error saved against the number of frames in the window, with the exact value as a black line.", "classes": "dark-light"}}
forecasts.plot_skill(lengths, skills, exact_skill)
plt.show()

# %% tags=["remove-cell"]
at_prompt = lengths.index(n_prompt)
at_hundred = {size: skills[size][at_prompt] for size in sizes}
words = [f"{size} {s[0]:.2f} ({s[1]:.2f} to {s[2]:.2f})" for size, s in at_hundred.items()]
glue("generation_skills", ", ".join(words), display=False)
for key, value in zip(("", "_low", "_high"), at_hundred["small"], strict=True):
    glue(f"generation_small_skill{key}", float(value), display=False)
better = {size: verdict((s[1], s[2]), (0.0, 0.0)) for size, s in at_hundred.items()}
glue("generation_skill_verdicts", verdicts_in_words(better), display=False)
glue("generation_exact_skill", float(exact_skill[0]), display=False)
glue("generation_exact_skill_low", float(exact_skill[1]), display=False)
glue("generation_exact_skill_high", float(exact_skill[2]), display=False)

# %% [markdown]
# With a window of {glue:text}`generation_n_prompt:d` frames the exact mean saves
# {glue:text}`generation_exact_skill:.2f` of the last frame's error. The models save (with bootstrap
# intervals): {glue:text}`generation_skills:s`. A negative number is a forecast worse than the frame
# it was given. The reason is in the loss: of the outputs that it averages over, only the last
# one forecasts, so forecasting has the weight of one frame in a window, while all others can look
# at their answer.
#
# ## Why several frames per step look better
#
# Correlate a block of appended frames with frames of the prompt: those that the outputs sit on, and
# those after them, which they were asked for.

# %% tags=["remove-stderr"]
small = sizes[0]
long_blocks = (1, several, many)
n_long = max(4, n_prompts[small] // 10)
blocky = {
    k: continue_set(models[small], data, n_prompts[small], n_prompt, n_steps, k)
    for k in (several, many)
}
echoes = pd.DataFrame(
    {
        "frames it sits on": [echo(blocky[k], n_prompt, k).mean() for k in blocky],
        "frames it was asked for": [echo(blocky[k], n_prompt, k, shift=1).mean() for k in blocky],
    },
    index=pd.Index(blocky, name="frames per step"),
)

# %%
# NBVAL_CHECK_OUTPUT
print(echoes.round(2).to_string())

# %% tags=["remove-cell"]
glue("generation_n_prompt", n_prompt, display=False)
glue("generation_several", several, display=False)
glue("generation_many", many, display=False)
glue("generation_echo_several", float(echoes.iloc[0, 0]), display=False)
glue("generation_echo_many", float(echoes.iloc[1, 0]), display=False)

# %% [markdown]
# For the smallest model the correlation with the frames that the outputs sit on is
# {glue:text}`generation_echo_several:.2f` at {glue:text}`generation_several:d` frames per step and
# {glue:text}`generation_echo_many:.2f` at {glue:text}`generation_many:d`. The appended block is a
# smoothed echo of the end of the window, and the next one an echo of that: its wiggles are the
# prompt's noise, played again. As a forecast it does worse at first, since its first frame stands
# for one that lies as far back as the block is long.
#
# ## In the long run
#
# Left to themselves, what do the generated trajectories do? The Boltzmann density is what the
# actual ones approach; these are short beside the passage times, so they too are compared.

# %% tags=["remove-stderr"]
n_frames = n_prompt + settings.n_long_frames
actual = make_dataset(n_long, "test", seed, n_frames=n_frames).trajectories[:, n_prompt:]
long_runs = {"actual": actual}
for k in long_blocks:
    frames = continue_set(models[small], data, n_long, n_prompt, settings.n_long_frames, k)
    long_runs[f"{k} per step"] = frames[:, n_prompt:]

# %%
# NBVAL_CHECK_OUTPUT
long_table = fs.long_run_table(solver, long_runs)
print(long_table[["standing still", "crossings", "share of B"]].round(1).to_string())

# %%
long_table.round(3)

# %% mystnb={"figure": {"name": "fig-generation-long-run", "caption": "Long continuations by the smallest model, each ending in a dot, over the Boltzmann density (colours, four decades). Left, what the particle really did from the same prompts; then one, several and many frames per step."}, "image": {"alt": "Four maps of the plane: actual paths fill the two basins, generated ones run into points or repeat themselves.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, len(long_runs), figsize=figure_size(1, 0.32), sharey=True)
for ax, (name, frames) in zip(axes, long_runs.items(), strict=True):
    color = forecasts.ACTUAL_COLOR if name == "actual" else forecasts.MODEL_COLOR
    density = solver.stationary_density()
    forecasts.plot_trails(frames[:4], solver.x, solver.y, density, name, color, ax)
for ax in axes[1:]:
    ax.set_ylabel("")
plt.show()

# %% mystnb={"figure": {"name": "fig-generation-boltzmann", "caption": "Density of y in long trajectories beside the exact Boltzmann density (black). State A lies at the right peak, state B at the left one."}, "image": {"alt": "Histograms of y for actual and generated frames against the exact curve.", "classes": "dark-light"}}
coarsening = max(1, round(0.08 / settings.grid_step))
edges, boltzmann, found = fs.coordinate_densities(solver, 1, coarsening, **long_runs)
ax = forecasts.plot_density_of_coordinate(edges, boltzmann, found, coordinate=1)
ax.figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %% tags=["remove-cell"]
for number, k in enumerate(("one", "several", "many"), start=1):
    row = long_table.iloc[number]
    glue(f"generation_still_{k}", float(row["standing still"]), display=False)
    glue(f"generation_spread_{k}", float(row["spread"]), display=False)
    glue(f"generation_boltzmann_{k}", float(row["distance from Boltzmann"]), display=False)
for key, name in (("one", "1 per step"), ("several", f"{several} per step")):
    glue(f"generation_off_{key}", float(long_table.loc[name, "off the map"]), display=False)
glue("generation_spread_actual", float(long_table.loc["actual", "spread"]), display=False)
boltzmann_actual = long_table.loc["actual", "distance from Boltzmann"]
glue("generation_boltzmann_actual", float(boltzmann_actual), display=False)

# %% [markdown]
# One frame per step makes the generator a deterministic map of windows, and such a map has nothing
# to keep it going: over the last frames in {numref}`fig-generation-long-run` the median spread is
# {glue:text}`generation_spread_one:.3f`, where actual trajectories have
# {glue:text}`generation_spread_actual:.3f`, and a share of {glue:text}`generation_still_one:.2f`
# stands still. With several frames per step a share of
# {glue:text}`generation_still_several:.2f` does, and {glue:text}`generation_off_several:.2f` of the
# frames lie off the map altogether. With one frame per step the Jensen–Shannon divergence from the
# Boltzmann weight ({numref}`fig-generation-boltzmann`) is {glue:text}`generation_boltzmann_one:.2f`
# bits (the chapter on kinetics counts in nats); actual
# trajectories of the same length are at {glue:text}`generation_boltzmann_actual:.2f`, several
# frames per step at {glue:text}`generation_boltzmann_several:.2f` and many at
# {glue:text}`generation_boltzmann_many:.2f`. Crossings between the states, where the table counts any,
# are jumps of a repeating block, not passages over the barrier.
#
# ## Takeaway
#
# - The poster's procedure works as a mechanism: any prompt is continued, for every size. But nothing
#   holds what it makes on the map, where its frames lie except for shares of
#   {glue:text}`generation_runaways:s`; and as a
#   forecast it has to be compared with the last frame and the exact mean, as in
#   {numref}`fig-generation-error-growth`.
# - Several frames per step buy speed with copies: the livelier curves are echoes of the prompt.
# - A mean is not a trajectory. Even the perfect forecaster of this loss would draw the smooth
#   black line of {numref}`fig-generation-continuations`: to generate trajectories with the right
#   fluctuations and rates, a model has to be causal and has to draw from a distribution.
# - Not shown: whether the head that was built to look at the next frame helps or harms the medium and
#   large models at the last position, which has none; whether longer training of the forecast alone
#   would help; other prompts than the beginning of a trajectory, and the `wild` regime.
