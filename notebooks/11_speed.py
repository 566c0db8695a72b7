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
# # Scale and speed
#
# How fast is all this, how does the cost grow, and what would a study a thousand times larger need?
# Simulation is nearly free; learning is what costs. On two cores the small model trains
# {glue:text}`speed_ratio_small_2:.1f` times as fast as with the usual set-up: attention written for
# tiny heads gives a factor of {glue:text}`speed_gain_attention:.1f`, doing without attention dropout
# one of {glue:text}`speed_gain_dropout:.1f`.

# %% tags=["remove-stderr"]
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import REGIMES, get_profile
from mb_support.plotting import speed as figures
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies import speed

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 0  # nothing on this page is random
goal = 7.0  # wanted: times the plain configuration, in training on full-length trajectories

# %%
use_style()
settings = get_profile(profile)
simulator = speed.load_benchmark("simulator")
training = speed.load_benchmark("training")
sizes = [row["size"] for row in training["ours_against_plain"] if row["threads"] == 2]
n_default = REGIMES["metastable"].n_frames
glue("speed_full_length", speed.FULL_LENGTH, display=False)
glue("speed_default_length", n_default, display=False)
print(f"profile {settings.name}; sizes {', '.join(sizes)}")

# %% [markdown]
# Nothing is timed while this page is built. The numbers are those of the committed files
# `results/benchmark_simulator.json` and `results/benchmark_training.json`, which `make benchmark`
# measures anew and rewrites. Candidates took turns in each, so that other work on the machine hit
# them alike; speeds are medians over rounds, and ratios are taken within a round. They are of an
# earlier edition, in which trajectories had {glue:text}`speed_full_length:d` frames at a finer spacing
# (the regime `fine`); those that this book trains on have {glue:text}`speed_default_length:d`. "Full
# length" on this page is the former. The load average
# says how busy the machine was with other things: above its number of cores, speeds are too low,
# and those of two threads more than those of one.

# %%
speed.circumstances(simulator, training)

# %% [markdown]
# ## Simulation
#
# The same task for all: overdamped trajectories by Euler–Maruyama on two cores, every fiftieth step
# kept. deeptime {cite}`hoffmann2022` has no compiled Müller–Brown system; its compiled triple well,
# also a sum of exponentials, stands in, and `custom_sde` runs the potential itself
# ({numref}`fig-speed-simulators`).

# %% mystnb={"figure": {"name": "fig-speed-simulators", "caption": "Simulated steps per second on two cores, medians over rounds (their number is in the table above); thin lines span the slowest and the fastest round. The axis is logarithmic."}, "image": {"alt": "Horizontal bars of steps per second for several simulators on a logarithmic axis; ours in single and double precision are the longest.", "classes": "dark-light"}}
figures.plot_speeds(simulator["rows"])
plt.show()

# %% tags=["remove-cell"]
by_name = {row["name"]: row for row in simulator["rows"]}
others = [row for name, row in by_name.items() if not name.startswith("ours")]
closest = pd.DataFrame(others).sort_values("ours_is_faster_by").iloc[0]
glue("speed_simulator_steps", by_name["ours, float32"]["median_steps_per_s"] / 1e6, display=False)
glue("speed_simulator_closest", float(closest["ours_is_faster_by"]), display=False)
glue("speed_simulator_closest_name", closest["name"], display=False)

# %% [markdown]
# Ours takes {glue:text}`speed_simulator_steps:.0f` million steps a second;
# {glue:text}`speed_simulator_closest:.1f` times as many as the next,
# {glue:text}`speed_simulator_closest_name:s`.
#
# ## Training: ours against the usual set-up
#
# "Plain" is what the libraries do unless told otherwise: PyTorch's fused attention, float32 and
# attention dropout. "Ours" is attention for heads of a few dimensions and no dropout. When this was
# measured, "ours" had linear layers in bfloat16 for the medium and the large model; on this machine
# bfloat16 pays {glue:text}`speed_bfloat16:s`, and the recipes of this book do without it. A turn is a
# whole optimisation step at full length.

# %%
against_plain = pd.DataFrame(training["ours_against_plain"]).set_index(["size", "threads"])
spans = pd.DataFrame(against_plain.pop("range").tolist(), against_plain.index, ["least", "most"])
against_plain.join(spans).round(1)

# %% mystnb={"figure": {"name": "fig-speed-ratios", "caption": "Training frames per second at full length, ours divided by plain, on two threads; thin lines span the rounds."}, "image": {"alt": "Bars for each model size of how many times faster our configuration trains than the plain one, with a dashed line at the goal.", "classes": "dark-light"}}
figures.plot_ratios([row for row in training["ours_against_plain"] if row["threads"] == 2], goal)
plt.show()

# %% tags=["remove-cell"]
extremes = {"small": sizes[0], "largest": sizes[-1]}
pairs = [(n, row) for n in extremes for row in training["ours_against_plain"]
         if row["size"] == extremes[n]]  # fmt: skip
for name, row in pairs:
    key = f"{name}_{row['threads']}"
    glue(f"speed_ratio_{key}", row["median"], display=False)
    glue(f"speed_ratio_{key}_low", row["range"][0], display=False)
    glue(f"speed_ratio_{key}_high", row["range"][1], display=False)
    glue(f"speed_ratio_{key}_processor", row["median_by_processor_time"], display=False)
glue("speed_load", max(training["load_average"]), display=False)
glue("speed_largest_name", sizes[-1], display=False)
gain = speed.speedup_parts(training, sizes[0])
glue("speed_gain_attention", gain["attention"], display=False)
glue("speed_gain_dropout", gain["no dropout"], display=False)
glue("speed_goal", goal, display=False)
glue("speed_bfloat16", speed.gains_in_words(speed.bfloat16_gains(training)), display=False)

# %% [markdown]
# On two threads the small model trains {glue:text}`speed_ratio_small_2:.1f` times as fast (range
# {glue:text}`speed_ratio_small_2_low:.1f` to {glue:text}`speed_ratio_small_2_high:.1f`), the
# {glue:text}`speed_largest_name:s` one {glue:text}`speed_ratio_largest_2:.1f` times
# ({glue:text}`speed_ratio_largest_2_low:.1f` to {glue:text}`speed_ratio_largest_2_high:.1f`); wanted
# were {glue:text}`speed_goal:.0f` times ({numref}`fig-speed-ratios`). The load average was
# {glue:text}`speed_load:.1f`. By processor time on one thread, which other work disturbs least, the
# ratios are {glue:text}`speed_ratio_small_1_processor:.1f` and
# {glue:text}`speed_ratio_largest_1_processor:.1f`.
#
# What contributes, at full length (frames per second, all without dropout unless said):

# %%
speed.implementation_table(training)

# %% [markdown]
# ## How it grows
#
# In a transformer that sees $N$ frames, the layers that treat each frame alone cost the same for
# every frame, and attention costs each frame a time in proportion to $N$:
#
# $$ t_\mathrm{frame}(N) = a + b N . $$ (eq-length-law)
#
# The fit gives every length the same relative weight. At $N^\ast = a / b$ attention costs as much
# as everything else.

# %%
points = {kind: {size: speed.by_length(training, kind, size) for size in sizes}
          for kind in ("training", "inference")}  # fmt: skip
laws = {kind: {size: speed.fit_length_law(*points[kind][size]) for size in sizes}
        for kind in points}  # fmt: skip
speed.law_table(laws)

# %% mystnb={"figure": {"name": "fig-speed-length", "caption": "Frames per second against the length of the trajectories, training (left) and inference (right): measured (symbols) and the fitted law (lines)."}, "image": {"alt": "Two panels, speed against trajectory length for each model size, falling as the fitted law does.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42), sharey=True)
for ax, kind in zip(axes, points, strict=True):
    figures.plot_length_law(points[kind], laws[kind], ax)
    ax.set_title(kind)
axes[1].legend()
plt.show()

# %% tags=["remove-cell"]
for name, size in extremes.items():
    frames = laws["training"][size].frames_per_s([n_default, speed.FULL_LENGTH])
    glue(f"speed_shorter_{name}", float(frames[0] / frames[1]), display=False)

# %% [markdown]
# {numref}`fig-speed-length` holds the law against the measurements. By it, a frame costs the training
# of the small model {glue:text}`speed_shorter_small:.1f` times less in trajectories of
# {glue:text}`speed_default_length:d` frames than in those of {glue:text}`speed_full_length:d`, and that
# of the {glue:text}`speed_largest_name:s` one {glue:text}`speed_shorter_largest:.1f` times. Simulations should cost in
# proportion to what is simulated; {numref}`fig-speed-growth` shows whether they do.

# %% mystnb={"figure": {"name": "fig-speed-growth", "caption": "Time of a simulation against the number of trajectories (left) and of frames (right): measured, and growth in proportion through the largest point."}, "image": {"alt": "Two panels on logarithmic axes, seconds against trajectories and against frames, with a straight line of proportional growth.", "classes": "dark-light"}}
growth = {field: speed.simulation_growth(training, field)
          for field in ("n_trajectories", "n_frames")}  # fmt: skip
powers = {field: speed.fit_exponent(*growth[field]) for field in growth}
fig, axes = plt.subplots(1, 2, figsize=figure_size(0.9, 0.42))
for ax, (field, label) in zip(axes, {"n_trajectories": "trajectories", "n_frames": "frames"}.items(),
                              strict=True):  # fmt: skip
    figures.plot_growth(*growth[field], powers[field], label, ax)
plt.show()

# %% [markdown]
# ## Processes, threads and generation
#
# Two processes that share a batch (`torchrun`, gloo) follow the same loss curve as one, and so do
# two threads; the table says what they gain or lose. Generation slides a window over its own
# predictions, one frame at a time: each frame costs a pass over a whole window, however many frames
# have been made.

# %%
columns = ["kind", "size", "n_frames", "threads", "processes", "median_frames_per_s"]
names = {"n_frames": "window (frames)", "median_frames_per_s": "frames per second"}
small = speed.rows_where(training, kind="training", size=sizes[0], n_frames=speed.FULL_LENGTH,
                         label="ours", precision="float32")  # fmt: skip
generation = speed.rows_where(training, kind="generation")
both = pd.concat([small, generation])[columns].rename(columns=names)
both.round(1).reset_index(drop=True)

# %% [markdown]
# ## A million trajectories
#
# Hours on this machine for a million trajectories of full length, extrapolated in proportion from
# the speeds above. (How long the trainings of this book took is told in {doc}`04_training`.)

# %%
cost = speed.cost_of(training)
cost.map("{:,.2f}".format)

# %% tags=["remove-cell"]
n_frames = 1_000_000 * speed.FULL_LENGTH
glue("speed_million_gigabytes", n_frames * speed.FRAME_BYTES / 1e9, display=False)
glue("speed_million_simulate_minutes", 60 * float(cost.loc["simulate", "hours"]), display=False)
for name, size in extremes.items():
    hours = float(cost.loc[f"train once through, {size}", "hours"])
    glue(f"speed_million_train_days_{name}", hours / 24, display=False)

# %%
# NBVAL_CHECK_OUTPUT
gigabytes = n_frames * speed.FRAME_BYTES / 1e9
print(f"a million trajectories of {speed.FULL_LENGTH} frames: {gigabytes:.0f} GB")

# %% [markdown]
# Simulating them takes {glue:text}`speed_million_simulate_minutes:.1f` minutes and
# {glue:text}`speed_million_gigabytes:.0f` gigabytes, which need not fit into memory: the command
# `python -m mb_support.datasets.store` writes them chunk by chunk into a zarr store, on threads or
# on a Dask cluster, goes on after a kill, and gives the same bytes wherever it runs; training reads
# such a store with `--data`. Showing each trajectory to the small model once takes
# {glue:text}`speed_million_train_days_small:.1f` days, to the
# {glue:text}`speed_largest_name:s` one {glue:text}`speed_million_train_days_largest:.0f` days. That is the point at which a graphics card
# is wanted: the same commands use one where there is one.
#
# ## Takeaway
#
# **In one sentence:** on two cores the simulator is not the bottleneck, learning is, and much of its
# usual cost, that of attention and its dropout, can be avoided.
#
# **Not shown.** Speeds at the length of this book's trajectories, which were not measured anew; speeds
# on a graphics card, on more than two cores or over a network; and the million trajectories
# themselves, whose cost is extrapolated. Ranges are over the rounds of one measurement on one
# machine.
