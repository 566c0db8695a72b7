"""How much work a run of the book does: `smoke` (minutes, for tests) or `poster` (the book)."""

from dataclasses import dataclass

from .checks import checked_name


@dataclass(frozen=True)
class Profile:
    """Sizes that differ between a quick test run and the real book.

    A chapter reads the fields it needs; nothing else about a chapter depends on the profile.
    """

    name: str
    live_training: tuple  # (frames, steps) of the training run by a chapter
    n_test_trajectories: int  # held-out trajectories evaluated for each size
    n_train_trajectories: int  # fixed training set of the author's recipe and the baselines
    grid_step: float  # grid spacing of the exact solver, reduced length
    sizes: tuple  # model sizes shown, where their checkpoints exist
    n_prompts: tuple  # trajectories on which kept forecasts are repeated, for each of `sizes`
    n_long_frames: int  # frames of the continuation that is drawn
    n_arrivals: int  # windows of each kind of dynamics from which memory is learned and scored
    n_shots: tuple  # points, and simulations from each, for the exact limits of memory
    n_classified: tuple  # test trajectories classified live, for each of `sizes`; the rest is kept
    n_attended: tuple  # trajectories on which kept attention is repeated, for each of `sizes`
    n_passages: int  # simulated first passages of each kind
    n_equilibrium: int  # trajectories from which equilibrium averages are taken
    n_leaked: int  # fresh trajectories on which the kept leak of the small model is repeated
    n_sampled: tuple  # walkers, and frames of each, sampled live from the causal generator


PROFILES = {
    "smoke": Profile(
        "smoke",
        live_training=(64, 8),
        n_test_trajectories=48,
        n_train_trajectories=200,
        grid_step=0.04,
        sizes=("small",),
        n_prompts=(8,),
        n_long_frames=30,
        n_arrivals=2000,
        n_shots=(150, 50),
        n_classified=(48,),
        n_attended=(2,),
        n_passages=64,
        n_equilibrium=64,
        n_leaked=200,
        n_sampled=(200, 200),
    ),
    "poster": Profile(
        "poster",
        live_training=(64, 150),
        n_test_trajectories=1000,
        n_train_trajectories=1000,
        grid_step=0.02,
        sizes=("small", "medium", "large"),
        n_prompts=(150, 40, 12),
        n_long_frames=100,
        n_arrivals=8_000,
        n_shots=(500, 100),
        n_classified=(1000, 400, 100),
        n_attended=(8, 4, 2),
        n_passages=2560,
        n_equilibrium=1024,
        n_leaked=2000,
        n_sampled=(1000, 800),
    ),
}


def get_profile(name):
    """Return the `Profile` called `name`; `ValueError` if there is none."""
    return PROFILES[checked_name("profile", name, sorted(PROFILES))]
