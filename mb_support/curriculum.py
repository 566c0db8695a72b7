"""How a training goes: its settings, and those of the committed checkpoints."""

from dataclasses import dataclass, fields, replace

import numpy as np

from .model import SIZES


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a run goes; written into its record.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    stages : tuple of (n_frames, n_steps) or (n_frames, n_steps, n_kept)
        The curriculum: window lengths, and optimisation steps spent on each. Every window is a
        fresh trajectory of that many frames from a random start, never seen before. With
        `n_kept`, the encoder is shown so many of its frames, which stand for all (see
        `datasets.thinned_frames`): most of what there is to learn at a fraction of the cost.
    batch_size : int
        Trajectories in an optimisation step, over all processes.
    learning_rate : float
        Peak of AdamW's rate: linear warm-up, then cosine decay to a fiftieth of it.
    warmup_steps : int
    guided_fraction : float
        Share of the trajectories that are guided: every second one starts near the ridge, and
        the auxiliary loss of `GuidedTransformer` counts, with a weight that falls linearly from
        one to zero. The rest of the run sees the data set's own distribution and the poster's
        loss, nothing else.
    position_scale : float
        Amplitude of the sinusoids that the position embeddings start as, and standard deviation
        of the input projection's initial weights.
    branch_scale : float
        Factor on the initial weights with which each layer writes into the residual stream.
        Twelve layers that write as loudly as they read drown what tells the frames apart.
    grown_from : str, optional
        Size whose recipe is followed first; the model begins as what that has trained (`growth`).
    start_head : bool
        Whether a head of the first layer that a grown model has of its own begins by copying the
        first frame to all others (see `start_head`).
    neighbour_heads : bool
        Whether two heads of the first layer begin as differences to the frames beside a frame
        (see `initialisation.add_neighbour_heads`), and are guided to tell how large these are.
    block_length : int
        Neighbouring frames that are shown together where trajectories are thinned.
    taught : bool
        If True, the run goes on with a trained model. Of its guided trajectories three of four
        start nearer to the ridge, and what a `teacher` knows takes the place of their labels and,
        for the read-out, of their positions.
    n_passes : int
        If not zero, only the classifier's head learns, from trajectories that are encoded once,
        each part of so many examples (see `refit`). With a start head it learns anew.
    weight_decay, max_grad_norm, adam_beta2 : float
    bf16 : bool
        bfloat16 autocast in the linear layers.
    regime : str
        Key of `simulation.REGIMES`.
    seed : int
        Of the initial weights; also which stream of trajectories is seen.
    stop_after : int, optional
        Steps after which the run ends and the last ones of the schedule are left out. There the
        learning rate is at its floor, and at full length steps are the dearest.
    n_validation : int
        Validation trajectories scored while training.
    eval_every, save_every : int
        Steps between validation scores and between checkpoints.
    """

    size: str
    stages: tuple
    batch_size: int
    learning_rate: float
    warmup_steps: int = 200
    guided_fraction: float = 0.85
    position_scale: float = 0.7
    branch_scale: float = 1.0
    grown_from: str | None = None
    start_head: bool = False
    neighbour_heads: bool = False
    block_length: int = 1
    taught: bool = False
    n_passes: int = 0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    adam_beta2: float = 0.99
    bf16: bool = False
    regime: str = "metastable"
    seed: int = 0
    stop_after: int | None = None
    n_validation: int = 400
    eval_every: int = 250
    save_every: int = 100

    def __post_init__(self):
        if self.start_head and self.grown_from is None:
            raise ValueError("a start head needs a model to grow from: set grown_from")
        if self.n_passes and not self.taught:
            raise ValueError("a refit goes on with a trained model: set taught")
        if self.n_passes and self.start_head and self.guided_fraction < 1.0:
            raise ValueError("a refit with a start head is taught from first to last: guide it all")
        if self.n_passes and any(len(stage) > 2 for stage in self.stages):
            raise ValueError("trajectories of a refit are shown whole")
        for size in (self.size, self.grown_from or self.size):
            if size not in SIZES:
                raise ValueError(f"unknown size {size!r}: choose one of {list(SIZES)}")
        object.__setattr__(self, "stages", tuple(tuple(stage) for stage in self.stages))
        for name in ("batch_size", "eval_every", "save_every", "n_validation"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}")
        if self.stop_after is not None and self.stop_after < 1:
            raise ValueError(f"stop_after must be at least 1, or None; got {self.stop_after}")

    @property
    def n_steps(self):
        """Optimisation steps of the whole schedule."""
        return sum(stage[1] for stage in self.stages)

    @property
    def stages_done(self):
        """The stages as far as the run goes: without the steps after `stop_after`."""
        left, done = self.stop_after or self.n_steps, []
        for n_frames, n_steps, *kept in self.stages:
            if left > 0:
                done.append((n_frames, min(n_steps, left), *kept))
            left -= n_steps
        return tuple(done)

    @property
    def n_steps_done(self):
        """Optimisation steps that the run makes."""
        return sum(stage[1] for stage in self.stages_done)

    @property
    def frames_per_step(self):
        """Frames that the encoder is shown in each step, (n_steps_done,) ndarray of int."""
        shown = [stage[2] if len(stage) > 2 else stage[0] for stage in self.stages_done]
        return self.batch_size * np.repeat(shown, [stage[1] for stage in self.stages_done])

    @classmethod
    def from_dict(cls, values):
        """Rebuild from the dictionary in a record; `ValueError` on an unknown key."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown training settings: {sorted(unknown)}")
        return cls(**values)


#: The recipes of the committed checkpoints.
RECIPES = {
    "small": TrainingConfig(
        "small",
        stages=((250, 3000), (1000, 1000)),
        batch_size=16,
        learning_rate=3e-3,
    ),
    "medium": TrainingConfig(
        "medium",
        stages=((1000, 4000, 96), (1000, 4000, 160), (1000, 300, 320), (1000, 100)),
        batch_size=16,
        learning_rate=1.5e-3,
        weight_decay=0.0,
        neighbour_heads=True,
        block_length=16,
        eval_every=8000,
        stop_after=8320,
    ),
    "large": TrainingConfig(
        "large",
        stages=((1000, 300, 160), (1000, 400, 320), (1000, 120)),
        batch_size=8,
        learning_rate=4e-4,
        warmup_steps=50,
        guided_fraction=1.0,
        weight_decay=0.0,
        grown_from="medium",
        neighbour_heads=True,
        block_length=32,
        taught=True,
        seed=1,
        eval_every=8000,
    ),
}

#: What follows for some: the trained model again, taught where it errs most, near the ridge.
REFINEMENTS = {
    "medium": replace(
        RECIPES["medium"],
        stages=((1000, 3600, 160), (1000, 1000, 320), (1000, 160)),
        batch_size=8,
        learning_rate=6e-4,
        warmup_steps=50,
        guided_fraction=0.95,
        block_length=32,
        taught=True,
        seed=1,
        stop_after=None,
    ),
    "large": replace(
        RECIPES["large"],
        stages=((1000, 900),),
        seed=2,
        start_head=True,
        n_passes=100,
    ),
}


#: What follows where nothing grows from it: the classifier's head further, on starts and labels as
#: the data set has them, which the runs before show at their end only. The small model reads mean
#: encodings of short trajectories wrongly unless it is shown some.
BALANCING = {
    "small": replace(
        RECIPES["small"],
        stages=((100, 250), (250, 250), (500, 120), (1000, 2500)),
        learning_rate=3e-2,
        guided_fraction=0.0,
        taught=True,
        n_passes=40,
        seed=1,
    ),
    "medium": replace(
        RECIPES["medium"],
        stages=((1000, 1250),),
        learning_rate=1e-3,
        guided_fraction=0.0,
        taught=True,
        n_passes=10,
        seed=2,
        stop_after=None,
    ),
}


def recipe_runs(size):
    """The runs that make a model of a size, in order; each begins with the model of the last.

    Parameters
    ----------
    size : {"small", "medium", "large"}

    Returns
    -------
    list of TrainingConfig
        Those that make a model to grow from if it grows, its own, its refinement and its balancing
        if it has them.
    """
    return [*_runs_to_grow_from(size), *([BALANCING[size]] if size in BALANCING else [])]


def _runs_to_grow_from(size):
    own = RECIPES[size]
    first = _runs_to_grow_from(own.grown_from) if own.grown_from else []
    return [*first, own, *([REFINEMENTS[size]] if size in REFINEMENTS else [])]
