"""Chapter 9: generated ensembles judged on passages and populations."""
