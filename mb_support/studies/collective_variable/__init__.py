"""Chapter 10: what the encodings know of the committor."""
