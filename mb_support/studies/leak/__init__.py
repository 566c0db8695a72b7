"""Chapter 8: what the loss shows of the answer."""
