"""Alanine dipeptide (ACE-ALA-NME) from internal coordinates: no structure file is needed."""

import numpy as np

#: The 22 atoms: name, residue, element, place in `Z_MATRIX` order aside.
RESIDUES = {
    "ACE": ("CH3", "HH31", "HH32", "HH33", "C", "O"),
    "ALA": ("N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"),
    "NME": ("N", "H", "CH3", "HH31", "HH32", "HH33"),
}
ATOMS = tuple((residue, name) for residue, names in RESIDUES.items() for name in names)

#: Each atom from three placed before it: (atom, bonded to, angle with, dihedral with, length in
#: angstrom, angle and dihedral in degrees); "phi" and "psi" are given by the caller. Lengths and
#: angles are usual ones of a peptide, rounded: energy minimisation moves them to the force field's.
Z_MATRIX = (
    ("ALA-CA", "ALA-N", "ACE-C", "ACE-CH3", 1.45, 122, 180),
    ("ALA-C", "ALA-CA", "ALA-N", "ACE-C", 1.52, 111, "phi"),
    ("NME-N", "ALA-C", "ALA-CA", "ALA-N", 1.33, 117, "psi"),
    ("NME-CH3", "NME-N", "ALA-C", "ALA-CA", 1.45, 122, 180),
    ("ACE-O", "ACE-C", "ALA-N", "ALA-CA", 1.23, 123, 0),
    ("ALA-O", "ALA-C", "NME-N", "NME-CH3", 1.23, 123, 0),
    ("ALA-H", "ALA-N", "ACE-C", "ACE-CH3", 1.01, 119, 0),
    ("NME-H", "NME-N", "ALA-C", "ALA-CA", 1.01, 119, 0),
    # the L form: looking from N to C, the side chain lies 122 degrees clockwise
    ("ALA-CB", "ALA-CA", "ALA-C", "ALA-N", 1.53, 110, 122),
    ("ALA-HA", "ALA-CA", "ALA-C", "ALA-N", 1.09, 109, -118),
    *(("ACE-HH3" + n, "ACE-CH3", "ACE-C", "ALA-N", 1.09, 110, turn)
      for n, turn in (("1", 60), ("2", 180), ("3", -60))),
    *(("ALA-HB" + n, "ALA-CB", "ALA-CA", "ALA-N", 1.09, 110, turn)
      for n, turn in (("1", 60), ("2", 180), ("3", -60))),
    *(("NME-HH3" + n, "NME-CH3", "NME-N", "ALA-C", 1.09, 110, turn)
      for n, turn in (("1", 60), ("2", 180), ("3", -60))),
)  # fmt: skip
BONDS = (("ACE-CH3", "ACE-C"), ("ACE-C", "ALA-N"), *(row[:2] for row in Z_MATRIX))
#: Atoms of the two dihedrals, in order.
PHI = tuple(ATOMS.index(a) for a in (("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "C")))
PSI = tuple(ATOMS.index(a) for a in (("ALA", "N"), ("ALA", "CA"), ("ALA", "C"), ("NME", "N")))


def build(phi, psi):
    """Positions of the 22 atoms with two dihedrals (degrees), (22, 3) ndarray in nanometres."""
    placed = {
        "ACE-CH3": np.zeros(3),
        "ACE-C": np.array([1.52, 0, 0]),
        "ALA-N": np.array([1.52 + 1.33 * np.cos(np.pi / 3), 1.33 * np.sin(np.pi / 3), 0]),
    }
    for atom, bonded, second, third, length, angle, turn in Z_MATRIX:
        turn = np.radians({"phi": phi, "psi": psi}.get(turn, turn))
        b, c, d = placed[bonded], placed[second], placed[third]
        axis = (b - c) / np.linalg.norm(b - c)
        normal = np.cross(c - d, axis)
        normal /= np.linalg.norm(normal)
        frame = np.stack([axis, np.cross(normal, axis), normal])
        angle = np.radians(angle)
        along = [-np.cos(angle), np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn)]
        placed[atom] = b + length * (along @ frame)
    return 0.1 * np.array([placed["-".join(atom)] for atom in ATOMS])


def dihedral(positions, atoms):
    """Dihedral angle of four atoms in radians, from -pi to pi: (...) of (..., n_atoms, 3)."""
    a, b, c, d = (positions[..., atom, :] for atom in atoms)
    axis = (c - b) / np.linalg.norm(c - b, axis=-1, keepdims=True)
    first, second = np.cross(b - a, axis), np.cross(axis, d - c)
    sine = (np.cross(first, second) * axis).sum(axis=-1)
    return np.arctan2(sine, (first * second).sum(axis=-1))
