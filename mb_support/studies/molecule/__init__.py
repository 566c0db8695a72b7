"""Chapter "A molecule": alanine dipeptide, simulated, learned from and compared with a model."""
