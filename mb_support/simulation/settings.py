"""Settings of a simulation: `SimulationConfig`, and the regimes of the book."""

import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..checks import Named, checked_count, checked_positive
from ..potential import MUELLER_BROWN

INTEGRATORS = ("overdamped", "leimkuhler_matthews", "underdamped")
PRECISIONS = ("float32", "float64")
_POSITIVE = ("beta", "dt", "mass")


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of a simulation, checked when they are made.

    Attributes
    ----------
    beta : float
        Inverse temperature 1/kT, 1/energy.
    diffusion : float or None
        Diffusion constant D, length^2/time. With the integrator "underdamped" it only serves to
        set a missing `friction`, and may be None when `friction` is given.
    dt : float
        Time step.
    stride : int
        Steps from one saved frame to the next.
    n_frames : int
        Saved frames of a trajectory; the first is the start.
    integrator : str
        "overdamped" (Euler-Maruyama), "leimkuhler_matthews" (overdamped; configurational averages
        of second order) or "underdamped" (BAOAB).
    mass : float
        Mass, energy time^2/length^2; "underdamped" only.
    friction : float or None
        Friction rate, 1/time; "underdamped" only. None means 1 / (beta mass D), with which the
        long-time diffusion constant of a free particle is D.
    precision : str
        "float32" or "float64": arithmetic of positions, velocities and forces. Both see the same
        random numbers. Saved frames are float32 in both cases.

    Raises
    ------
    ValueError
        If a setting is impossible. Whether `dt` is small enough depends on the potential too:
        `simulate` asks `check_dt`.

    Notes
    -----
    Overdamped: dx = -beta D grad V dt + sqrt(2 D) dW. Underdamped: dx = v dt,
    dv = -grad V / mass dt - friction v dt + sqrt(2 friction / (beta mass)) dW.
    """

    beta: float
    diffusion: float | None
    dt: float
    stride: int
    n_frames: int
    integrator: str = "overdamped"
    mass: float = 1.0
    friction: float | None = None
    precision: str = "float32"

    def __post_init__(self):
        if self.integrator not in INTEGRATORS:
            raise ValueError(
                f"integrator must be one of {list(INTEGRATORS)}; got {self.integrator!r}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {list(PRECISIONS)}; got {self.precision!r}")
        plain = {name: checked_positive(name, getattr(self, name)) for name in _POSITIVE}
        if self.friction is not None:
            plain["friction"] = checked_positive("friction", self.friction, allow_zero=True)
        if self.diffusion is not None:
            plain["diffusion"] = checked_positive("diffusion", self.diffusion)
        elif self.integrator != "underdamped":
            raise ValueError(f"diffusion must be a positive number for {self.integrator!r}")
        elif self.friction is None:
            raise ValueError("friction must be given where diffusion is None; both are None")
        plain["stride"] = checked_count("stride", self.stride, 1, 10**9)
        plain["n_frames"] = checked_count("n_frames", self.n_frames, 1, 10**9)
        for name, value in plain.items():  # numbers of NumPy could not be written as JSON
            object.__setattr__(self, name, value)

    def largest_dt(self, potential=MUELLER_BROWN):
        """Largest time step accepted in a potential, from its stiffest minimum.

        It is half of the step at which the integrator is unstable there: beta D dt V'' or
        dt sqrt(V''/mass) is 1, where steps begin to overshoot the minimum.
        """
        if self.integrator == "underdamped":
            return math.sqrt(self.mass / potential.curvature)
        return 1 / (self.beta * self.diffusion * potential.curvature)

    def check_dt(self, potential=MUELLER_BROWN):
        """Raise `ValueError` if the time step is too large for a potential, or so small that steps
        are lost in the rounding of positions."""
        largest = self.largest_dt(potential)
        if self.dt > largest:
            raise ValueError(
                f"dt must be at most {largest:.3g} for {self.integrator!r} with these settings and"
                f" this potential, half of where the integrator explodes; got {self.dt!r}"
            )

        moved = math.sqrt(2 * self.diffusion * self.dt) if self.diffusion else math.inf
        if self.integrator == "underdamped":
            moved = self.dt / math.sqrt(self.beta * self.mass)
        farthest = float(np.abs(potential.bounds).max())
        rounding = farthest * float(np.finfo(self.precision).eps)
        if moved < 8 * rounding:
            raise ValueError(
                f"positions up to {farthest:.3g} are rounded by {rounding:.1g} in {self.precision},"
                f" too much for steps of {moved:.1g}: move the potential to the origin, or take"
                ' precision="float64" or a larger dt'
            )

    @property
    def friction_rate(self):
        """Friction rate of the underdamped dynamics, 1/time."""
        if self.friction is not None:
            return self.friction
        return 1 / (self.beta * self.mass * self.diffusion)

    @property
    def frame_time(self):
        """Time from one saved frame to the next."""
        return self.stride * self.dt

    @property
    def total_time(self):
        """Time from the first saved frame to the last."""
        return self.frame_time * (self.n_frames - 1)

    def to_dict(self):
        """All settings as a dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings):
        """Settings from a dictionary; `ValueError` names keys that are unknown or missing."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings) - known)
        missing = sorted({"beta", "diffusion", "dt", "stride", "n_frames"} - set(settings))
        if unknown or missing:
            raise ValueError(
                f"settings have unknown keys {unknown} and lack {missing};"
                f" allowed are {sorted(known)}"
            )
        return cls(**settings)


#: The regimes of the book. "underdamped" has the temperature of "metastable" and so little
#: friction that the velocity outlives a frame: there positions alone are not Markov. "fine" is
#: "metastable" with frames four times as close.
REGIMES = Named(
    metastable=SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=200, n_frames=512),
    fine=SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=50, n_frames=1000),
    wild=SimulationConfig(beta=0.0065, diffusion=100.0, dt=1e-5, stride=400, n_frames=256),
    underdamped=SimulationConfig(
        beta=1 / 15,
        diffusion=None,
        dt=1e-3,
        stride=20,
        n_frames=512,
        integrator="underdamped",
        mass=1.0,
        friction=10.0,
    ),
)
