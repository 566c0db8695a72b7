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
# # A molecule
#
# The Müller–Brown potential stands for molecules. What of this book holds for one? Alanine
# dipeptide has 22 atoms and bends mainly by turning about two bonds of its backbone, by the angles φ and
# ψ. Its water is implicit: an average force, without molecules of its own. A diffusion model of two
# angles, solved on a grid, has most of the committor; its passages from state to state take
# {glue:text}`molecule_too_long:s` per cent longer than the molecule's. The small model, trained as
# plainly as on Müller–Brown, names the first state of {glue:text}`molecule_accuracy:s` of the windows.
# A stochastic generator makes passages as often as the molecule does, and here it needs memory: without,
# its times are {glue:text}`molecule_slower_without_memory:s` times as long.

# %% tags=["remove-stderr", "hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.plotting import molecule as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies.molecule import runs as room
from mb_support.studies.molecule import study, surface, tables

# %% tags=["parameters", "hide-input"]
profile = "smoke"

# %% tags=["hide-input", "remove-output"]
use_style()
settings, kept = get_profile(profile), study.load_results()
for name, value in tables.numbers(kept).items():
    glue(f"molecule_{name}", value, display=False)
print(f"profile {settings.name}; kept: {', '.join(kept)}")

# %% [markdown]
# ## The runs
#
# The 22 atoms of ACE-ALA-NME are built from bond lengths and angles, without a structure file, and
# simulated with OpenMM {cite}`eastman2024`: force field amber14 {cite}`maier2015`, implicit water (OBC2)
# {cite}`onufriev2004`, 300 K, Langevin dynamics with a friction of 1/ps and steps of 4 fs (which mass moved to the hydrogens, and
# rigid bonds, allow). Kept are φ and ψ, every 0.2 ps. There are
# {glue:text}`molecule_n_runs:d` independent runs of {glue:text}`molecule_run_ns:.2f` ns, half from each
# state: {glue:text}`molecule_total_ns:.1f` ns in all, without the first 50 ps of each run.
# `make molecule` repeats them.
#
# {numref}`fig-molecule-surface` shows the free energy, $F = -kT \ln p(\varphi, \psi)$, and its error
# over runs.

# %% mystnb={"figure": {"name": "fig-molecule-surface", "caption": "Left: free energy of the two angles in kT, zero at the lowest box; blank boxes were never visited. Right: its standard error over 12 runs. Circle and square: the minima whose basins are the two states."}, "image": {"alt": "Two maps over phi and psi: the free energy, with two deep wells at negative phi, and its error, which grows where the free energy is high.", "classes": "dark-light"}} tags=["hide-input"]
runs = room.load_runs()
energy, error = surface.free_energy(runs.dihedrals)
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45), sharey=True)
plots.plot_surface(energy, "free energy (kT)", kept["surface"]["minima"], highest=7, ax=axes[0])
plots.plot_surface(error, "standard error (kT)", highest=1, ax=axes[1])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
axes[1].set_ylabel("")
plt.show()

# %% [markdown]
# **States.** Two, as in the rest of the book: the right-handed helix (α-R), state 0, and the extended
# basin (β; it holds two known shapes, C5 and C7eq, with no barrier between them), state 1. A frame belongs to the minimum that steepest
# descent leads to on a Fourier series fitted to the surface. The left-handed valley at φ > 0 is left
# aside, as too rare: one more run, started there, stayed for {glue:text}`molecule_left_ps:.0f` ps, to
# its end, and the others have {glue:text}`molecule_frames_left:d` frames there.

# %% tags=["hide-input"]
# NBVAL_CHECK_OUTPUT
minima = surface.minima_of(surface.fit_fourier(runs.dihedrals))
print("minima, phi and psi in degrees:", (minima * 57.29578).round(0).astype(int).tolist())

# %% [markdown]
# ## Passages, and a Markov state model
#
# A passage is counted from disk to disk of 20 degrees around the two minima, as on Müller–Brown:
# {glue:text}`molecule_n_passages:d` of them, with mean times of {glue:text}`molecule_time_ab:s` ps from
# α-R to β and {glue:text}`molecule_time_ba:s` ps back (standard errors over runs). A Markov state model
# {cite}`prinz2011` on boxes of 20 degrees has one slow process, far above the second
# ({numref}`fig-molecule-memory`, left): as on Müller–Brown, one number is to be learned.
#
# ## A model with exact answers
#
# On the fitted surface, overdamped diffusion of the two angles with one constant $D$ is a model that
# the grid solver of this book solves on the torus. Its rates are proportional to $D$, so that $D$ can
# be read from the memory of ψ at any lag: it is the value for which the model's autocorrelation is the
# counted one. If $D$ depended on the lag, the model would be wrong. Except at the shortest lag, it does not
# ({numref}`fig-molecule-memory`, right). One slow process alone would give this. It does not show that two
# angles are enough, nor that one $D$ holds for both.

# %% mystnb={"figure": {"name": "fig-molecule-memory", "caption": "Left: the two slowest implied timescales of the Markov state model against its lag; in the grey part nothing can be resolved. Right: the diffusion constant for which the model remembers ψ as the molecule does, against the lag; dashed: the one for which its passages from α-R take as long as those counted. Bars: two standard errors over 12 runs; line and points come from the same runs and move together, so that the bars do not judge their difference (the second table below does)."}, "image": {"alt": "Left: a flat slow timescale and a second one below the lag. Right: a diffusion constant that does not depend on the lag from half a picosecond on.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.42))
plots.plot_timescales(kept["kinetics"]["timescales"], axes[0])
plots.plot_diffusion(kept["torus"]["diffusion"], tables.needed_diffusion(kept), axes[1])
plt.show()

# %% tags=["hide-input"]
tables.time_table(kept)

# %% [markdown]
# From 0.4 ps on the constant does not depend on the lag within its errors; at 0.2 ps the angles still
# have momentum. Surface, $D$ and counts come from the same runs, so that the errors of the table are
# not independent. To judge the difference, each run was left out of all three in turn (jackknife):

# %% tags=["hide-input"]
tables.too_long_table(kept)

# %% [markdown]
# The table has by how many per cent the model's times are longer than those counted. Its passages take
# {glue:text}`molecule_too_long:s` per cent longer, in {glue:text}`molecule_n_longer:s` cases by more than
# two standard errors. The timescale agrees because $D$ was read from the same memory. Passages
# were not used to fit anything, and they are where the model fails. The counts are from
# frames, which miss short visits to a disk; looked at in the same frames, the model's passages would take another
# {glue:text}`molecule_longer_at_frames:.0f` per cent longer. The
# molecule has momentum, and $D$ may differ from place to place; which of these makes the difference was
# not tested.
#
# **Shooting.** The committor asks for more than a rate. From {glue:text}`molecule_shots_n_points:d`
# configurations, spread evenly over the model's committor, {glue:text}`molecule_shots_n_shots:d` short
# runs with fresh velocities tell which state is reached first {cite}`bolhuis2000`. Their share for β is
# lower than the model's, by {glue:text}`molecule_shots_too_high:s` in the mean.
# Beyond the noise of counting, a difference of {glue:text}`molecule_shots_scatter:.2f` (root mean square,
# that mean included) remains: the model's committor explains a share of
# {glue:text}`molecule_shots_explained:s` of the variance of the molecule's, for starts that are spread
# evenly over it ({numref}`fig-molecule-committor`). The share is one minus the mean squared difference over
# the variance of the shots' shares, both less the noise of counting. Errors are over configurations. They
# leave out the error of the fitted surface.

# %% mystnb={"figure": {"name": "fig-molecule-committor", "caption": "Left: committor of the diffusion model, with the 77 configurations from which shots were made; their filling is the share of 20 shots that reached β first. At φ > 0, where no run came, the surface and so the committor are those of the fit alone. Right: that share against the committor of the model, with 95% intervals (Wilson)."}, "image": {"alt": "Left: a map over phi and psi that changes from blue around the helical minimum to red around the extended one, with points of like colours. Right: points around the diagonal.", "classes": "dark-light"}} tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45), gridspec_kw={"wspace": 0.1})
plots.plot_committor(kept["torus"], kept["shooting"], axes[0])
plots.plot_shots(kept["shooting"], axes[1])
plt.show()

# %% [markdown]
# ## The transformer
#
# The three models of the book have four features here instead of two (sine and cosine of φ and ψ). They are
# trained from random weights and with the poster's loss on overlapping windows of
# 128 frames, 0.4 ps apart, from seven runs. The eighth run is for validation. Trees, and the mean of a box
# with which forecasts are compared below, had all eight ({glue:text}`molecule_n_train:d` windows). Windows
# never cross runs. Passes over them: {glue:text}`molecule_passes:s`. The large model takes a third of
# the usual learning rate: in a trial at the usual one it gave the same answer for all windows of that
# run, right for {glue:text}`molecule_tried:s` of them.
#
# They are judged on {glue:text}`molecule_n_test:d` windows of four other runs, in
# {glue:text}`molecule_n_blocks:d` blocks over which errors are taken: accuracy for the state of the first
# frame, and the skill of the forecast of the next frame, one minus its squared error over that of
# persistence.

# %% tags=["hide-input"]
tables.score_table(kept)

# %% [markdown]
# Standardising a window takes the absolute position away, which makes classification hard on
# Müller–Brown. Sine and cosine give it back: they lie on a circle, and whoever fits the circle to the
# window's points has the angle again. *The ring* does so for ψ, takes φ where it mostly is, and reads the
# state from the surface: {glue:text}`molecule_ring:s`, without a window's label ever seen. The large
# model (one training, a third of the rate) is right less often than the trees.
#
# For forecasts, of the frame after the window, the yardstick is the mean next frame given the box in which
# the last one lies, from the training runs ({glue:text}`molecule_box_skill:s`). No training reaches it.
#
# The poster's generator has no noise. Continued for {glue:text}`molecule_made_ps:.0f` ps in all (64
# windows by each training), its windows make {glue:text}`molecule_made_passages:d` passages; at the rate of
# the molecule it would be about {glue:text}`molecule_real_passages:.0f`. Over their last 20 frames sines and
# cosines have a standard deviation of {glue:text}`molecule_last_spread:.3f`; in the windows before, of
# {glue:text}`molecule_real_spread:.2f`.
#
# {numref}`fig-molecule-attention` shows where the models look. Some layers prefer frames of the state of
# the frame that attends, others avoid them, and not the same layers in each training. Untrained weights, the control of
# {doc}`07_attention`, were not measured here.

# %% mystnb={"figure": {"name": "fig-molecule-attention", "caption": "Left: ψ along one test window, and the attention of the first training in the layer that prefers its own state most, averaged over heads, in units of the uniform weight. Right: weight on frames of the state of the frame that attends, over what it would be if all frames attended alike, by depth; one line for each training (small 3, medium 1, large 1), with two standard errors over the 22 test windows that change their state."}, "image": {"alt": "A map of attention weights under the course of psi, and lines of the preference for the own state by layer.", "classes": "dark-light"}} tags=["hide-input"]
frame_time = room.STRIDE * runs.settings.frame_time
fig = plt.figure(figsize=figure_size(1, 0.55))
grid = fig.add_gridspec(2, 2, height_ratios=(1, 2.5), wspace=0.1)
axes = [fig.add_subplot(grid[0, 0]), fig.add_subplot(grid[1, 0])]
plots.plot_attention(tables.first_training(kept)["attention"], frame_time, axes)
plots.plot_own_state(kept["trainings"], fig.add_subplot(grid[:, 1]))
plt.show()

# %% [markdown]
# ## The stochastic generator
#
# The causal generator of {doc}`09_kinetics` draws each step at random. For angles it sees sines and
# cosines, and its steps go around the circle. It learns from windows of seven runs; the eighth decided
# how long ({glue:text}`molecule_n_generators:d` trainings each). Then {glue:text}`molecule_generator_walkers:d`
# walkers start from frames of the training runs and go on for {glue:text}`molecule_generator_ps:.0f` ps. A rival of the same size sees the
# present frame only. The plain rival is a Markov state model of the eight training runs, on boxes of 20
# degrees, with a lag of one frame or of ten; as many walkers of it were made. Passages are counted in
# frames 0.4 ps apart, for the molecule as well. With a lag of 4 ps they can be counted every 4 ps only, which
# misses short visits; the last row counts those of the molecule in the same way. The
# divergence is that of the density from the four test runs, by Jensen and Shannon, and in the first
# row that of the training runs.

# %% tags=["hide-input"]
tables.generator_table(kept)

# %% [markdown]
# Errors of what was counted are standard errors over runs; "all" holds the runs that the generators
# learned from. Errors of generators and Markov state models are over walkers and trainings. They leave
# out what other training runs would have given. More than two standard errors off what was counted are,
# with four frames, {glue:text}`molecule_off_memory:s`; with one, {glue:text}`molecule_off_memoryless:s`.
#
# For Markov state models each run was left out of model and counts in turn. Their passages from α-R to β
# and back are longer than those counted with the same spacing, in per cent, by
# {glue:text}`molecule_markov_near:s` with a lag of one frame, and by {glue:text}`molecule_markov_far:s`
# with ten. So the plain method has the rates if its lag is long. Then it says nothing of what is faster.
#
# *Memory.* Seeing earlier frames lowers the loss by
# {glue:text}`molecule_memory_gain:s` nats (three pairs of trainings), and without them the three times are
# {glue:text}`molecule_slower_without_memory:s` times as long (geometric mean). On Müller–Brown no gain was
# seen: the same ratio is {glue:text}`09_kinetics.ipynb::kinetics_memory_ratio:s` there
# (three trainings of each kind). There the present frame is the whole state. Two
# angles at one time are not: the molecule also has
# momenta and other coordinates, and earlier frames tell something of them.
#
# ## Takeaway
#
# **In one sentence:** a diffusion model of two angles has most of the committor of this molecule, but its passages take {glue:text}`molecule_too_long:s` per cent too long; memory, which Müller–Brown does not need, matters here, and naming a state is easier, as windows do not start all over a box.
#
# *Carries over.* One slow process; a diffusion model on a surface, solved on a grid, whose committor explains {glue:text}`molecule_shots_explained:s` of the variance
# of the molecule's. Plain training works with other features and much less data: {glue:text}`molecule_accuracy:s`
# of the first states are right (mean over {glue:text}`molecule_n_trainings:d` trainings of the small model
# ± standard error over windows and trainings), against {glue:text}`molecule_majority:s` by always naming the more frequent one. The
# generator without noise comes to rest. The stochastic
# generator has the rates of the molecule within their errors; so has a Markov state model with a long lag.
#
# *Does not.* Memory: on Müller–Brown no difference between generators with and without it was seen, here there is
# one. Difficulty: sine and cosine tell the position that standardising was to hide, and windows start where runs
# happen to be, not all over a box: boosted trees
# ({glue:text}`molecule_trees:s`) and a circle ({glue:text}`molecule_ring:s`) do at least as well as the
# transformer. On Müller–Brown trees keep up, too; how easy a state is to name there depends on the starts
# ({ref}`readings <section-classification-readings>`). The forecast
# of the frame after the window ({glue:text}`molecule_skill:s`) is worse than the mean of the box of the
# present one ({glue:text}`molecule_box_skill:s`). And nothing about
# the molecule is exact: the reference is a model of it. Its passages take
# {glue:text}`molecule_too_long:s` per cent too long. Its committor is too high by
# {glue:text}`molecule_shots_too_high:s` on average; where that and the rest come from was not traced.
#
# **Not shown.** Whether the loss leaks here as on Müller–Brown, and more than one training of the medium
# and of the large model. All is of {glue:text}`molecule_total_ns:.0f` ns
# (`python -m mb_support.studies.molecule.simulation --chunks 40` makes ten times as much) in implicit
# water with low friction, which is faster than real water. The left-handed valley was not sampled.
