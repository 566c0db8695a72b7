"""Chapter 5: forecasts and continuations of the trained models."""
