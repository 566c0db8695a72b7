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
# The Müller-Brown potential stands for molecules. Does what this book found on it hold for one?
# Alanine dipeptide in implicit water has two slow angles, φ and ψ, and a transition between a helical
# and an extended state. PLACEHOLDER

# %% tags=["remove-stderr", "hide-input"]
from matplotlib import pyplot as plt
from myst_nb import glue

from mb_support import get_profile
from mb_support.plotting import molecule as plots
from mb_support.plotting.style import figure_size, use_style
from mb_support.studies.molecule import runs as room
from mb_support.studies.molecule import study, surface

# %% tags=["parameters", "hide-input"]
profile = "smoke"

# %% tags=["hide-input", "remove-output"]
use_style()
kept = study.load_results()
for name, value in study.numbers(kept).items():
    glue(f"molecule_{name}", value, display=False)
print(f"profile {get_profile(profile).name}; kept: {', '.join(kept)}")

# %% [markdown]
# ## The runs
#
# The 22 atoms of ACE-ALA-NME are built from bond lengths and angles, without a structure file, and
# simulated with OpenMM {cite}`eastman2024`: force field amber14, implicit water (OBC2), 300 K, Langevin
# dynamics with a friction of 1/ps and steps of 4 fs, with constrained heavy hydrogens. Kept are φ and ψ
# every 0.2 ps. There are {glue:text}`molecule_n_runs:d` independent runs of
# {glue:text}`molecule_run_ns:.2f` ns, half from each state, {glue:text}`molecule_total_ns:.1f` ns in
# all; the first 50 ps of each are left out. `make molecule` goes on with them.
#
# {numref}`fig-molecule-surface` shows the free energy, $F = -kT \ln p(\varphi, \psi)$, and its error over
# runs.

# %% mystnb={"figure": {"name": "fig-molecule-surface", "caption": "Left: free energy of the two angles in kT, zero at the lowest box; white boxes were never visited. Right: its standard error over runs. Circle and square: the two minima whose basins are the states."}, "image": {"alt": "Two maps over phi and psi: the free energy with two deep wells at negative phi, and its error, which grows where the free energy is high.", "classes": "dark-light"}}
runs, found = room.load_runs(), kept["surface"]
energy, error = surface.free_energy(runs.dihedrals)
fig, axes = plt.subplots(1, 2, figsize=figure_size(1, 0.45), sharey=True)
plots.plot_surface(energy, "free energy (kT)", found["minima"], highest=7, ax=axes[0])
plots.plot_surface(error, "standard error (kT)", highest=1, ax=axes[1])
axes[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# **States.** Two, as in the rest of the book: the helical basin (α-R) and the extended one, in which β,
# C5 and C7eq lie together with no barrier of weight between them. A frame belongs to the minimum that
# steepest descent on the fitted surface leads to. The third valley, at φ > 0, is left aside: the one
# run that was started there left it after {glue:text}`molecule_left_ps:.0f` ps or stays, and none of the
# others went there often enough for a rate.

# %%
# NBVAL_CHECK_OUTPUT
print("minima (degrees):", (surface.minima_of(surface.fit_fourier(runs.dihedrals)) * 57.2958).round(0).tolist())
