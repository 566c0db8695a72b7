"""How a training goes: its settings, and all trainings that the book reports."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from ..checks import Named, checked_count, checked_name, checked_positive
from ..datasets.sets import TrajectorySet, regime_settings
from ..model.settings import SIZES

#: Settings that are whole numbers, and the smallest value of each.
_COUNTS = {"seed": 0} | dict.fromkeys(
    "batch_size warmup_steps eval_every save_every n_validation n_distinct".split(), 1
)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a run goes; written into its record.

    A run starts from random weights. All weights learn, from the poster's loss alone.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    stages : tuple of (n_frames, n_trajectories)
        Lengths of the trajectories shown, and how many of each, in order.
    learning_rate : float
        Peak of AdamW's rate: linear warm-up, then cosine decay to a fiftieth of it.
    decay_by : {"frames", "steps"}
        What the decay goes by: frames shown, or optimisation steps.
    batch_size : int
        Trajectories in an optimisation step, over all processes.
    warmup_steps : int
    dropout : float
        Of hidden states.
    attention_dropout : float, optional
        Of attention weights, by default as much.
    n_distinct : int, optional
        Size of a fixed training set that is gone through again and again, in a new order on each
        pass. By default every trajectory is a fresh one, seen once.
    regime : str
        Key of `simulation.REGIMES`, or "easy_starts".
    seed : int
        Of the initial weights; also which trajectories are seen.
    weight_decay, max_grad_norm, adam_beta2 : float
    n_validation : int
        Validation trajectories scored while training.
    eval_every, save_every : int
        Steps between validation scores and between checkpoints.
    """

    size: str
    stages: tuple
    learning_rate: float
    batch_size: int = 64
    warmup_steps: int = 200
    dropout: float = 0.0
    attention_dropout: float | None = None
    n_distinct: int | None = None
    regime: str = "metastable"
    seed: int = 0
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    decay_by: str = "frames"
    adam_beta2: float = 0.99
    n_validation: int = 1000
    eval_every: int = 250
    save_every: int = 250

    def __post_init__(self):
        checked_name("size", self.size, SIZES)
        regime_settings(self.regime)
        plain = {
            name: checked_count(name, getattr(self, name), least)
            for name, least in _COUNTS.items()
            if getattr(self, name) is not None
        }
        plain["stages"] = self._checked_stages(plain["batch_size"])
        checked_count("seed", self.seed, 0, 2**32 - 1)  # as far as NumPy's go
        plain["learning_rate"] = checked_positive("learning_rate", self.learning_rate)
        plain["max_grad_norm"] = checked_positive("max_grad_norm", self.max_grad_norm)
        plain["weight_decay"] = checked_positive("weight_decay", self.weight_decay, allow_zero=True)
        for name in ("dropout", "attention_dropout", "adam_beta2"):
            if getattr(self, name) is not None:
                plain[name] = checked_positive(name, getattr(self, name), allow_zero=True)
                if plain[name] >= 1:
                    raise ValueError(f"{name} must be from 0 to below 1; got {plain[name]!r}")
        for name, value in plain.items():  # numbers of NumPy could not be written as JSON
            object.__setattr__(self, name, value)
        if self.decay_by not in ("frames", "steps"):
            raise ValueError(f'decay_by must be "frames" or "steps"; got {self.decay_by!r}')

    def _checked_stages(self, batch_size):
        try:
            stages = tuple((int(f), int(n)) for f, n in self.stages)
        except (TypeError, ValueError):
            stages = ()
        if not stages or any(f < 2 or n < batch_size for f, n in stages):
            raise ValueError(
                "stages must be pairs (n_frames >= 2, n_trajectories >= batch_size); got "
                f"{self.stages}"
            )
        return stages

    @classmethod
    def for_data(cls, size, data, n_passes=30, **settings):
        """Settings for a set of one's own: so many passes over it, with dropout of 0.1.

        `data` is a `TrajectorySet`; `settings` are those of the class, such as ``seed=1``.
        """
        if not isinstance(data, TrajectorySet):
            raise ValueError(
                "data must be a TrajectorySet, such as TrajectorySet.from_file(path); got "
                f"{type(data).__name__}"
            )
        checked_name("size", size, SIZES)
        n_items = checked_count("n_passes", n_passes) * max(1, len(data) * 9 // 10)
        batch_size = settings.pop("batch_size", int(np.clip(len(data) // 20, 1, 16)))
        batch_size = checked_count("batch_size", batch_size)
        n_steps = max(1, n_items // batch_size)
        usual = dict(
            stages=((data.trajectories.shape[1], n_steps * batch_size),),
            learning_rate=RECIPES[size].learning_rate * 0.6 if size in RECIPES else 1e-3,
            warmup_steps=min(200, max(1, n_steps // 10)),
            dropout=0.1,
            attention_dropout=0.0,
            eval_every=max(1, n_steps // 10),
            save_every=max(1, n_steps // 10),
        )
        return cls(size, batch_size=batch_size, **(usual | settings))

    @property
    def steps(self):
        """(n_frames, n_steps) of each stage."""
        return tuple((n_frames, n // self.batch_size) for n_frames, n in self.stages)

    @property
    def n_steps(self):
        """Optimisation steps of the run."""
        return sum(n for _, n in self.steps)

    @property
    def trajectories_seen(self):
        """Trajectories shown, each counted as often as it is shown."""
        return self.n_steps * self.batch_size

    @property
    def frames_seen(self):
        """Frames shown."""
        return self.batch_size * sum(n_frames * n for n_frames, n in self.steps)

    def rate_of_step(self, step):
        """Factor on `learning_rate` at a step: linear warm-up, then cosine decay to a fiftieth."""
        warmup = min(1.0, (step + 1) / self.warmup_steps)
        weights = [n_frames if self.decay_by == "frames" else 1 for n_frames, _ in self.steps]
        shown = 0
        for weight, (_, n) in zip(weights, self.steps, strict=True):
            shown += weight * min(step, n)
            step = max(0, step - n)
        whole = sum(weight * n for weight, (_, n) in zip(weights, self.steps, strict=True))
        done = min(1.0, shown / whole)
        return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))

    @classmethod
    def from_dict(cls, values):
        """Rebuild from the dictionary in a record; `ValueError` on an unknown key."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown training settings: {sorted(unknown)}")
        return cls(**values)


#: The recipe of each size: fresh trajectories, short ones first.
RECIPES = Named(
    small=TrainingConfig(
        "small", ((128, 64_000), (256, 32_000), (512, 24_000)), learning_rate=5e-3
    ),
    medium=TrainingConfig(
        "medium", ((128, 120_000), (256, 60_000), (512, 25_600)), learning_rate=2.5e-3
    ),
    large=TrainingConfig(
        "large",
        ((128, 150_016), (256, 60_032), (512, 15_040)),
        learning_rate=1.5e-3,
        decay_by="steps",
        eval_every=500,
    ),
)
#: How many trainings of each size the book reports; they differ in their seed.
N_SEEDS = {"small": 5, "medium": 3, "large": 3}

#: The same recipe with other numbers of trajectories, as factors: what less or more would give.
#: Longer ones in batches twice as large.
LENGTHS = {"small": (0.25, 4), "medium": (), "large": ()}

#: The poster's own set-up: 1000 fixed trajectories, whole, many passes, dropout 0.1; but not of
#: attention weights, which makes a processor five to ten times as slow.
FIXED_SET = {
    size: replace(
        RECIPES[size],
        stages=((512, 1000 * n_passes),),
        batch_size=16,
        learning_rate=rate,
        dropout=0.1,
        attention_dropout=0.0,
        n_distinct=1000,
        eval_every=250,
    )
    for size, n_passes, rate in (("small", 100, 3e-3), ("medium", 30, 1.5e-3), ("large", 30, 8e-4))
}
N_FIXED_SEEDS = {"small": 3, "medium": 3, "large": 3}
#: Sizes of the training sets of the data curve, which the small model's recipe is repeated with.
DATA_CURVE = (100, 1000, 10_000, 100_000)


def lengthened(config, factor):
    """A recipe with `factor` times as many trajectories."""
    batch_size = config.batch_size * (2 if factor >= 2 else 1)
    stages = tuple(
        (n_frames, batch_size * max(1, round(factor * n / batch_size)))
        for n_frames, n in config.stages
    )
    return replace(config, stages=stages, batch_size=batch_size)


def trainings():
    """All trainings of the book by name, in the order in which they are made.

    Such as "small-0" (the recipe, by seed), "small-fixed-0" (the poster's set-up), "small-x4-0"
    (four times as many trajectories), "small-data-1000" (a training set of that size),
    "small-wild-0" and "small-easy_starts-0".
    """
    found = {}
    for size in SIZES:
        for seed in range(N_SEEDS[size]):
            found[f"{size}-{seed}"] = replace(RECIPES[size], seed=seed)
    for size in SIZES:
        for factor in LENGTHS[size]:
            found[f"{size}-x{factor:g}-0"] = lengthened(RECIPES[size], factor)
    small = RECIPES["small"]
    for n_distinct in DATA_CURVE:
        found[f"small-data-{n_distinct}"] = replace(small, n_distinct=n_distinct)
    wild = tuple((min(n_frames, 256), n) for n_frames, n in small.stages)
    found["small-wild-0"] = replace(small, regime="wild", stages=wild)
    found["small-easy_starts-0"] = replace(small, regime="easy_starts")
    for size in SIZES:
        for seed in range(N_FIXED_SEEDS[size]):
            found[f"{size}-fixed-{seed}"] = replace(FIXED_SET[size], seed=seed)
    both = replace(FIXED_SET["small"], attention_dropout=0.1, seed=1)
    found["small-fixed-both-1"] = both  # dropout of attention weights too
    return found
