"""Chapter 6: accuracies, their ceiling, slices and baselines."""
