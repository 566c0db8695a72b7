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
# Simulation is nearly free; learning is what costs. On two cores of the {glue:text}`speed_processor:s`
# that we had last, the small model trains {glue:text}`speed_fair_small_2:.1f` times as fast as with
# PyTorch's own fused attention. The gain is less for larger models, and depends on the processor. The
# usual set-up, which drops out attention weights, is slower by far: ours trains
# {glue:text}`speed_ratio_small_2:.0f` times as fast in the small model,
# {glue:text}`speed_ratio_largest_2:.0f` times in the {glue:text}`speed_largest_name:s` one.

# %% tags=["remove-stderr", "hide-input"]
import pandas as pd
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import REGIMES, SIZES, get_profile
from mb_support.plotting import speed as figures
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies import speed

# %% tags=["parameters", "hide-input"]
profile = "smoke"
seed = 0  # nothing on this page is random

# %% tags=["hide-cell"]
use_style()
settings = get_profile(profile)
simulator, machines = (
    speed.load_benchmark("simulator"),
    [*map(speed.load_benchmark, speed.MACHINES)],
)
training = machines[0]
gpu, gpu_simulator = speed.load_benchmark("training_gpu"), speed.load_benchmark("simulator_gpu")
n_default, stride = REGIMES["metastable"].n_frames, REGIMES["metastable"].stride
print(f"profile {settings.name}; sizes {', '.join(SIZES)}")

# %% tags=["remove-cell"]
for key, value in speed.numbers(simulator, machines, n_default).items():
    glue(f"speed_{key}", value, display=False)
for key, value in speed.gpu_numbers(gpu_simulator, gpu, training, stride).items():
    glue(f"speed_{key}", value, display=False)

# %% [markdown]
# Nothing is timed while this page is built. The numbers are those of the committed files
# `results/benchmark_simulator.json` and `results/benchmark_training.json`, which `make benchmark`
# measures anew. Candidates took turns, so that other work on the machine hit them alike; speeds are
# medians over rounds. "Full length" on this page is {glue:text}`speed_full_length:d` frames, those of
# the regime `fine`, for which the measurements were made; the models of this book are trained on
# trajectories of {glue:text}`speed_default_length:d` frames. Where the load average is above the
# number of cores, speeds are too low, those of two threads more than those of one.

# %% tags=["hide-input"]
speed.circumstances(simulator, training)

# %% [markdown]
# ## Simulation
#
# The same task for all: overdamped trajectories by Euler–Maruyama on two cores, every fiftieth step
# kept. deeptime {cite}`hoffmann2022` has no compiled Müller–Brown system; its compiled triple well,
# also a sum of exponentials, stands in, and `custom_sde` runs the potential itself.
# {numref}`fig-speed-simulators` has the speeds. Ours takes {glue:text}`speed_simulator_steps:.0f`
# million steps a second, {glue:text}`speed_simulator_closest:.1f` times as many as the next,
# {glue:text}`speed_simulator_closest_name:s`.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-speed-simulators", "caption": "Simulated steps per second on two cores for 1000 trajectories, medians over rounds (their number is in the table above); thin lines span the slowest and the fastest round. The axis is logarithmic."}, "image": {"alt": "Horizontal bars of steps per second for several simulators on a logarithmic axis; ours in single and double precision are the longest.", "classes": "dark-light"}}
figures.plot_speeds(simulator["rows"])
plt.show()

# %% [markdown]
# ## Training
#
# A turn is a whole optimisation step at full length, in float32. The fair rival is `sdpa`, PyTorch's
# fused attention, without dropout of attention weights, just like ours: all that differs is attention
# written for heads of a few dimensions. "Plain" is the usual set-up, `sdpa` with a dropout of 0.1.

# %% tags=["hide-input"]
compared = speed.ratios(training)
speed.ratio_table(compared)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-speed-ratios", "caption": "Training at full length on two threads in float32: our frames per second divided by those of each rival, for each model size. Thin lines set the slowest of our rounds against the fastest of the rival's, and the reverse; the number of rounds is in the table above. Bars begin at one, equal speed; the axis is logarithmic."}, "image": {"alt": "Groups of bars, one for each rival, of how many times faster our configuration trains, for each model size.", "classes": "dark-light"}}
figures.plot_ratios(compared)
plt.show()

# %% [markdown]
# What the gain over the fair rival is depends on the processor ({numref}`fig-speed-ratios`): on the
# {glue:text}`speed_processor:s` PyTorch's attention is faster than on the
# {glue:text}`speed_other_processor:s` of an earlier measurement, ours is not. The table has the fair
# ratios on both, with the slowest of our rounds over the fastest of the rival's, and the reverse.
# Faster in all rounds: {glue:text}`speed_faster:s`.

# %% tags=["hide-input"]
speed.fair_ratios(machines)[0]

# %% [markdown]
# The rest of the distance from the plain set-up, a factor of
# {glue:text}`speed_dropout_small:.1f` in the small model, is the cost of attention dropout in PyTorch:
# with it, the weights have to be written down. The next table has the frames per second of every
# implementation on the {glue:text}`speed_processor:s`, without dropout unless said. `torch.compile`
# brings little. Flex attention is missing: PyTorch has no backward pass of it on a processor. The
# recipes of this book use float32: on neither processor do linear layers in bfloat16 gain in all rounds.

# %% tags=["hide-input"]
speed.implementation_table(training)

# %% [markdown]
# ## How it grows
#
# In a transformer that sees $N$ frames, the layers that treat each frame alone cost the same for
# every frame, and attention costs each frame a time in proportion to $N$:
#
# $$ t_\mathrm{frame}(N) = a + b N . $$ (eq-length-law)
#
# The fit gives each of the four lengths the same relative weight; errors are standard errors from its
# residuals. At $N^\ast = a / b$ attention costs as much as everything else.

# %% tags=["hide-input"]
points, laws = speed.length_laws(training, SIZES)
speed.law_table(points)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-speed-length", "caption": "Our frames per second against the length of the trajectories, training (left) and inference (right), on two threads: medians over rounds (symbols; their number is in the first table) and the fitted law (lines). Where symbols leave a line, the law fails."}, "image": {"alt": "Two panels, speed against trajectory length for each model size, falling as the fitted law does.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(1.0, 0.42), sharey=True)
for ax, kind in zip(axes, points, strict=True):
    figures.plot_length_law(points[kind], laws[kind], ax)
    ax.set_title(kind)
axes[1].legend()
plt.show()

# %% [markdown]
# {numref}`fig-speed-length` holds the law against the measurements. It is off by
# {glue:text}`speed_law_off_inference:.0f` % at most for inference, but by
# {glue:text}`speed_law_off_training:.0f` % for training, where short trajectories cost more than it says
# and its constants mean little. In trajectories of half the full length a frame costs the training of the
# small model {glue:text}`speed_shorter_small:.1f` times less, and that of the
# {glue:text}`speed_largest_name:s` one {glue:text}`speed_shorter_largest:.1f` times (measured). A simulation
# should cost in proportion to its trajectories and frames; {numref}`fig-speed-growth` shows that.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-speed-growth", "caption": "Time of a simulation on two threads against the number of trajectories (left, of 1000 frames) and of frames (right, of 1024 trajectories): medians over rounds (their number is in the first table), and growth in proportion through the largest point. On the line, twice as much takes twice as long."}, "image": {"alt": "Two panels on logarithmic axes, seconds against trajectories and against frames, with a straight line of proportional growth.", "classes": "dark-light"}}
fig, axes = plt.subplots(1, 2, figsize=figure_size(0.9, 0.42))
for ax, what in zip(axes, ("trajectories", "frames"), strict=True):
    figures.plot_growth(*speed.simulation_growth(training, f"n_{what}"), what, ax)
plt.show()

# %% [markdown]
# ## Processes, threads and generation
#
# Two processes that share a batch (`torchrun`, gloo) follow the same loss curve as one, and so do two
# threads. In this measurement two processes are slower than two threads, and even than one, and at this length a
# second thread brings next to nothing: see the table. Why, we do not know. Generation slides a window over its
# own predictions, one frame at a time: each frame costs a pass over a whole window, however many frames
# have been made.

# %% tags=["hide-input"]
columns = ["kind", "size", "n_frames", "threads", "processes", "median_frames_per_s"]
small = speed.rows_where(training, kind="training", size="small", n_frames=speed.FULL_LENGTH,
                         label="ours", precision="float32")  # fmt: skip
both = pd.concat([small, speed.rows_where(training, kind="generation")])[columns]
names = {"n_frames": "window (frames)", "median_frames_per_s": "frames per second"}
both.rename(columns=names).set_index("kind").map(speed.with_separators)

# %% [markdown]
# ## A million trajectories
#
# Hours on this machine for a million trajectories of full length, extrapolated in proportion from
# the speeds above. (The two benchmarks ran one after the other, and their speeds of simulation differ as
# the machine's do. How long the trainings of this book took is told in {doc}`04_training`.)

# %% tags=["hide-input"]
cost = speed.cost_of(training)
cost["frames per second"] = cost["frames per second"].map("{:,.0f}".format)
cost.round(2)

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
gigabytes = 1_000_000 * speed.FULL_LENGTH * speed.FRAME_BYTES / 1e9
print(f"a million trajectories of {speed.FULL_LENGTH} frames: {gigabytes:.0f} GB")

# %% [markdown]
# Simulating them takes {glue:text}`speed_million_simulate_minutes:.1f` minutes and
# {glue:text}`speed_million_gigabytes:.0f` gigabytes, which need not fit into memory: the command
# `python -m mb_support.datasets.store` writes them chunk by chunk into a zarr store, on threads or
# on a Dask cluster, goes on after a kill, and gives the same bytes wherever it runs; training reads
# such a store with `--data`. Showing each trajectory to the small model once takes
# {glue:text}`speed_million_train_days_small:.1f` days, to the {glue:text}`speed_largest_name:s` one
# {glue:text}`speed_million_train_days_largest:.0f` days. From there on a graphics card (GPU) is needed: the
# same commands use one where there is one.
#
# ## On a graphics card
#
# The same measurements on an {glue:text}`speed_gpu:s`, with eight times as many frames in a step
# and matrix products in TF32, as in our trainings. On a GPU, "ours" is PyTorch's own attention, too:
# heads are filled up with zeros to eight dimensions, the fewest that its fast kernels take, and
# scores are computed in bfloat16. The fair rival is therefore `sdpa` with all layers in bfloat16
# (automatic mixed precision). The table says how many times as fast ours trains, and in brackets the
# slowest of our rounds over the fastest of the rival's, and the reverse. Faster than the fair rival
# in all rounds: {glue:text}`speed_gpu_faster:s`. Flex attention does not run: its kernels want heads
# of sixteen dimensions or more, and those of the poster's models have two, four and five.

# %% tags=["hide-input"]
speed.gpu_ratio_table(gpu)

# %% [markdown]
# And the frames per second of every implementation; "gpu_padded" in float32 is ours. Below stands what
# was measured on, and from what.

# %% tags=["hide-input"]
speed.gpu_speed_table(gpu)

# %% tags=["hide-input"]
speed.circumstances(gpu_simulator, gpu)

# %% [markdown]
# By medians, a training step on this GPU is many times as fast as on two cores of the
# {glue:text}`speed_processor:s`: {glue:text}`speed_gpu_times:s` (rounds differ as in the table of ratios).
# Hours for a million trajectories, each shown once: {glue:text}`speed_gpu_million_hours:s`. These are
# steps alone, of whole trajectories in large batches. A real training also simulates, validates and saves, and
# begins with short ones: {doc}`04_training` has its minutes, which are many more for the small model.
#
# Simulation gains from a GPU only in large batches. The next table has millions of steps per second
# of JAX and `torch.compile` there, and of our simulator on two cores of the same machine (medians; in
# brackets the slowest and the fastest round). With {glue:text}`speed_gpu_n_few:,d` trajectories the
# faster of the two on the GPU makes {glue:text}`speed_gpu_simulator_few:.1f` times as many steps as
# ours, with {glue:text}`speed_gpu_n_many:,d` it makes {glue:text}`speed_gpu_simulator_many:.0f` times
# as many. Ours has no version for a GPU. In the regime `metastable` two cores simulate
# {glue:text}`speed_gpu_simulated:.1f` million frames a second; training on the GPU takes, in millions,
# {glue:text}`speed_gpu_frames:s`.

# %% tags=["hide-input"]
speed.gpu_simulator_table(gpu_simulator)

# %% [markdown]
# ## Takeaway
#
# **In one sentence:** on two cores the simulator is not the bottleneck, learning is; doing without
# attention dropout saves most of its usual cost, attention written for tiny heads a part of the rest.
#
# **Not shown.** Speeds at the length of this book's trajectories; speeds on more
# than two cores, on several GPUs or over a network; and the million trajectories themselves, whose cost is
# extrapolated. Ranges are over the rounds of one measurement on one machine.
