"""One room a chapter: what is measured once and kept."""
