"""Simulate alanine dipeptide with OpenMM and keep its two dihedrals: ``make molecule``.

Independent runs grow in turn, a chunk at a time; each chunk is a file in the cache, from whose last
state the next one goes on. Interrupted anywhere, the same command goes on from there.
"""

import argparse
import time
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from ...files import paths
from ...files.results import circumstances, rounded, write_json
from ...files.whole_files import replace_file
from . import structure

FOLDER = paths.CACHE / "molecule"
RESULTS = paths.ROOT / "results" / "molecule"
#: Dihedrals (degrees) from which runs start: beta, right-handed helix; left-handed for one run.
STARTS = {"beta": (-80, 150), "alpha-R": (-70, -30), "alpha-L": (55, 45)}
#: Integers per radian in which dihedrals are kept: 16 bits, to 0.006 degrees.
QUANTA = 32767 / np.pi


@dataclass(frozen=True)
class Simulation:
    """What is simulated: amber14 with OBC2 implicit water, LangevinMiddle, constrained hydrogens;
    ps, kelvin, 1/ps, amu."""

    n_runs: int = 12  # half from beta, half from alpha-R; one more, from alpha-L, comes last
    n_chunks: int = 4  # of each run
    chunk_frames: int = 1250
    frame_steps: int = 50
    dt: float = 0.004
    temperature: float = 300.0
    friction: float = 1.0
    hydrogen_mass: float = 4.0
    configuration_frames: int = 10  # frames between whole configurations, kept in the cache only

    @property
    def frame_time(self):
        """Picoseconds between frames."""
        return self.dt * self.frame_steps

    def start(self, run):
        """Name of the place in which run number `run` starts."""
        return "alpha-L" if run == self.n_runs else ("beta", "alpha-R")[run % 2]


def molecule_system(settings):
    """The OpenMM `System`, with the built-in force for OBC2: on the Reference platform 35 times as
    fast as the custom one that OpenMM writes, the same energy to 1e-4 kJ/mol."""
    import openmm
    from openmm import app, unit

    topology = app.Topology()
    chain, atoms = topology.addChain(), {}
    for residue, names in structure.RESIDUES.items():
        added = topology.addResidue(residue, chain)
        for name in names:
            element = app.Element.getBySymbol(name[0])
            atoms[f"{residue}-{name}"] = topology.addAtom(name, element, added)
    for first, second in structure.BONDS:
        topology.addBond(atoms[first], atoms[second])
    system = app.ForceField("amber14-all.xml", "implicit/obc2.xml").createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=settings.hydrogen_mass * unit.amu,
    )
    forces = system.getForces()
    (number,) = (i for i, f in enumerate(forces) if isinstance(f, openmm.CustomGBForce))
    written, built_in = forces[number], openmm.GBSAOBCForce()
    built_in.setSolventDielectric(78.5)
    for atom in range(system.getNumParticles()):
        charge, radius, scaled = written.getParticleParameters(atom)  # radius less 0.009 nm
        built_in.addParticle(charge, radius + 0.009, scaled / radius)
    system.removeForce(number)
    system.addForce(built_in)
    return system


class Dynamics:
    """The molecule in motion: an OpenMM context on the Reference platform, fastest for 22 atoms."""

    def __init__(self, settings=Simulation()):  # noqa: B008
        import openmm

        self.settings = settings
        self.integrator = openmm.LangevinMiddleIntegrator(
            settings.temperature, settings.friction, settings.dt
        )
        self.integrator.setRandomNumberSeed(1)
        self.context = openmm.Context(
            molecule_system(settings),
            self.integrator,
            openmm.Platform.getPlatformByName("Reference"),
        )

    def minimise(self, positions):
        """Positions, (22, 3) in nm, of the energy minimum downhill from some others."""
        import openmm

        self.context.setPositions(positions)
        openmm.LocalEnergyMinimizer.minimize(self.context)
        return self.state()[0]

    def start(self, positions, seed, velocities=None):
        """Go on from positions; with velocities drawn from the seed if none are given."""
        self.integrator.setRandomNumberSeed(seed)
        self.context.reinitialize()  # for the seed to be taken up
        self.context.setPositions(positions)
        if velocities is None:
            self.context.setVelocitiesToTemperature(self.settings.temperature, seed)
        else:
            self.context.setVelocities(velocities)

    def state(self):
        """Positions and velocities, (22, 3) each, in nm and nm/ps."""
        state = self.context.getState(getPositions=True, getVelocities=True)
        return (
            state.getPositions(asNumpy=True)._value.copy(),
            state.getVelocities(asNumpy=True)._value.copy(),
        )

    def frame(self):
        """Positions after the steps of one frame more, (22, 3) in nm."""
        self.integrator.step(self.settings.frame_steps)
        return self.context.getState(getPositions=True).getPositions(asNumpy=True)._value


def dihedrals(positions):
    """phi and psi in radians, (..., 2) of (..., 22, 3)."""
    angles = [structure.dihedral(positions, atoms) for atoms in (structure.PHI, structure.PSI)]
    return np.stack(angles, axis=-1)


def chunk_path(run, chunk, folder=FOLDER):
    """File of a chunk of a run."""
    return folder / f"run-{run:02d}" / f"chunk-{chunk:04d}.npz"


def simulate_chunk(dynamics, run, chunk, folder=FOLDER):
    """Make the file of one chunk, from the state at the end of the one before."""
    settings, began = dynamics.settings, time.process_time()
    seed = 1 + 10_000 * run + chunk
    if chunk == 0:
        start = structure.build(*STARTS[settings.start(run)])
        dynamics.start(dynamics.minimise(start), seed)
    else:
        with np.load(chunk_path(run, chunk - 1, folder)) as before:
            dynamics.start(before["positions"], seed, before["velocities"])
    frames = np.stack([dynamics.frame() for _ in range(settings.chunk_frames)])
    positions, velocities = dynamics.state()
    with replace_file(chunk_path(run, chunk, folder)) as fresh:
        np.savez(
            fresh,
            dihedrals=np.round(QUANTA * dihedrals(frames)).astype(np.int16),
            configurations=frames[:: settings.configuration_frames].astype(np.float32),
            positions=positions,
            velocities=velocities,
            processor_time_s=time.process_time() - began,
        )


def simulate_runs(settings, folder=FOLDER, progress=True):
    """Make what is missing of all chunks, runs in turn."""
    todo = [
        (run, chunk)
        for chunk in range(settings.n_chunks)
        for run in range(settings.n_runs + 1)
        if not chunk_path(run, chunk, folder).exists()
    ]
    chunk_ns = 1e-3 * settings.frame_time * settings.chunk_frames
    bar = tqdm(total=round(chunk_ns * len(todo), 3), unit="ns", disable=not progress)
    dynamics = Dynamics(settings)
    with bar:
        for run, chunk in todo:
            simulate_chunk(dynamics, run, chunk, folder)
            bar.update(chunk_ns)


def collect(settings, folder=FOLDER, results=RESULTS):
    """Write the dihedrals of all runs, and how they were made, into `results`."""
    import openmm

    runs, seconds = [], 0.0
    for run in range(settings.n_runs + 1):
        parts = []
        for chunk in range(settings.n_chunks):
            with np.load(chunk_path(run, chunk, folder)) as kept:
                parts.append(kept["dihedrals"])
                seconds += float(kept["processor_time_s"])
        runs.append(np.concatenate(parts))
    results.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(results / "dihedrals.npz", runs=np.stack(runs))
    record = {"processor_time_s": seconds, "openmm": openmm.__version__} | circumstances("numpy")
    starts = [settings.start(run) for run in range(settings.n_runs + 1)]
    record = {"simulation": asdict(settings), "starts": starts, "record": record}
    write_json(results / "record.json", rounded(record))


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.studies.molecule.simulation",
        description=__doc__.splitlines()[0].replace("``", ""),
    )
    parser.add_argument(
        "--chunks",
        type=int,
        default=Simulation.n_chunks,
        help="parts of each run; each is written when it is done (default: %(default)s)",
    )
    return parser


def main(arguments=None):
    """Command line: see the module."""
    settings = Simulation(n_chunks=command_parser().parse_args(arguments).chunks)
    simulate_runs(settings)
    collect(settings)


if __name__ == "__main__":
    main()
