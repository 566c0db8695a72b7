"""Chapter 7: where the models look."""
