"""The molecule with OpenMM, where that is installed (extra `molecule`)."""

import numpy as np
import pytest

openmm = pytest.importorskip("openmm")

from mb_support.studies.molecule import simulation, structure  # noqa: E402

SMALL = simulation.Simulation(
    n_runs=1, n_chunks=2, chunk_frames=20, frame_steps=5, configuration_frames=10
)


def test_built_in_solvent_has_the_energy_of_the_written_one(monkeypatch):
    def energy(system):
        context = openmm.Context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
        )
        context.setPositions(structure.build(-70, -30))
        return context.getState(getEnergy=True).getPotentialEnergy()._value

    built_in = energy(simulation.molecule_system(SMALL))
    monkeypatch.setattr(openmm, "GBSAOBCForce", Written)
    assert energy(simulation.molecule_system(SMALL)) == pytest.approx(built_in, abs=1e-3)


class Written(openmm.CustomGBForce):
    """OBC2 after Onufriev, Bashford and Case (2004), in words of its own."""

    def __init__(self):
        super().__init__()
        for name in ("q", "r", "s"):
            self.addPerParticleParameter(name)
        pair, alone = self.ParticlePair, self.SingleParticle
        self.addComputedValue(
            "I",
            "step(r+sr2-or1)*0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/U^2-1/L^2)+0.5*log(L/U)/r);"
            "U=r+sr2; L=max(or1, abs(r-sr2)); or1=r1-0.009; sr2=s2*(r2-0.009)",
            pair,
        )
        self.addComputedValue("B", "1/(1/o-tanh(p-0.8*p^2+4.85*p^3)/r); p=I*o; o=r-0.009", alone)
        self.addEnergyTerm("-0.5*138.935485*(1-1/78.5)*q^2/B+28.3919551*(r+0.14)^2*(r/B)^6", alone)
        self.addEnergyTerm("-138.935485*(1-1/78.5)*q1*q2/sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))", pair)

    def setSolventDielectric(self, value):
        assert value == 78.5

    def addParticle(self, q, r, s):
        return super().addParticle([q, r, s])


def test_an_interrupted_simulation_goes_on_as_if_it_had_not_been(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    simulation.simulate_runs(SMALL, whole, progress=False)
    simulation.simulate_chunk(simulation.Dynamics(SMALL), 0, 0, broken)
    simulation.simulate_runs(SMALL, broken, progress=False)
    for run in range(2):
        paths = [simulation.chunk_path(run, 1, folder) for folder in (whole, broken)]
        first, second = (np.load(path)["dihedrals"] for path in paths)
        np.testing.assert_array_equal(first, second)


def test_what_is_kept_is_whole_and_says_how_it_was_made(tmp_path):
    from mb_support.studies.molecule.runs import load_runs

    simulation.simulate_runs(SMALL, tmp_path, progress=False)
    simulation.collect(SMALL, tmp_path, tmp_path)
    runs = load_runs(tmp_path, settle=0.0)
    assert runs.dihedrals.shape == (1, 40, 2) and runs.left.shape == (40, 2)
    assert runs.settings == SMALL
    last = np.load(simulation.chunk_path(0, 1, tmp_path))["positions"]
    np.testing.assert_allclose(runs.dihedrals[0, -1], simulation.dihedrals(last), atol=1e-4)
    assert (np.degrees(runs.left[:, 0]) > 0).all()  # it starts left-handed
