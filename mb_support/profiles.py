"""How much work a run of the book does: `smoke` (minutes, for tests) or `poster` (the book)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Sizes that differ between a quick test run and the real book.

    A chapter reads the fields it needs; nothing else about a chapter depends on the profile.
    """

    name: str
    n_test_trajectories: int  # held-out trajectories evaluated for each size
    n_train_trajectories: int  # fixed training set of the author's recipe and the baselines
    grid_step: float  # grid spacing of the exact solver, reduced length


PROFILES = {
    "smoke": Profile("smoke", n_test_trajectories=48, n_train_trajectories=200, grid_step=0.04),
    "poster": Profile(
        "poster", n_test_trajectories=1000, n_train_trajectories=1000, grid_step=0.02
    ),
}


def get_profile(name):
    """Return the `Profile` called `name`; `ValueError` if there is none."""
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}: choose one of {sorted(PROFILES)}")
    return PROFILES[name]
