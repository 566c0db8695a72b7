"""Labelled trajectories: sets, fresh streams, and stores larger than memory."""

from ..files.lazy_names import handed_on

_PUBLIC = {
    "sets": [
        "make_dataset",
        "TrajectorySet",
        "FreshTrajectories",
        "EASY_STARTS",
        "SEED_FAMILIES",
        "FINAL_TEST",
    ],
    "store": ["StoredTrajectories", "write_store"],
}
__getattr__, __dir__, __all__ = handed_on(__name__, _PUBLIC)
