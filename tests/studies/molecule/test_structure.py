"""Alanine dipeptide from internal coordinates: the right molecule, in the right hand."""

import numpy as np
import pytest

from mb_support.studies.molecule import structure


@pytest.fixture(params=[(-80, 150), (-70, -30), (55, 45)], ids=["beta", "alpha-R", "alpha-L"])
def built(request):
    return request.param, structure.build(*request.param)


def place(positions, residue, name):
    return positions[structure.ATOMS.index((residue, name))]


def test_dihedrals_are_those_asked_for(built):
    (phi, psi), positions = built
    assert len(positions) == 22
    assert np.degrees(structure.dihedral(positions, structure.PHI)) == pytest.approx(phi)
    assert np.degrees(structure.dihedral(positions, structure.PSI)) == pytest.approx(psi)


def test_alanine_is_the_l_form(built):
    # seen from the hydrogen, CO, R and N follow one another clockwise ("CORN")
    ca = place(built[1], "ALA", "CA")
    c, cb, n, h = (place(built[1], "ALA", name) - ca for name in ("C", "CB", "N", "HA"))
    assert np.linalg.det([n, c, cb]) > 0
    assert np.dot(h, n + c + cb) < 0


def test_peptide_bonds_are_trans(built):
    for before, n in (("ACE", "ALA"), ("ALA", "NME")):
        start = {"ACE": "CH3", "ALA": "CA"}[before]
        end = {"ALA": "CA", "NME": "CH3"}[n]
        names = [(before, start), (before, "C"), (n, "N"), (n, end)]
        omega = structure.dihedral(built[1], [structure.ATOMS.index(name) for name in names])
        assert abs(np.degrees(omega)) == pytest.approx(180)


def test_atoms_that_are_not_bonded_keep_apart(built):
    positions = built[1]
    names = ["-".join(atom) for atom in structure.ATOMS]
    bonded = {frozenset(pair) for pair in structure.BONDS}
    assert len(bonded) == 21  # a tree
    for i, first in enumerate(names):
        for j, second in enumerate(names[:i]):
            distance = np.linalg.norm(positions[i] - positions[j])
            if frozenset((first, second)) in bonded:
                assert 0.1 < distance < 0.155
            else:
                assert distance > 0.155
