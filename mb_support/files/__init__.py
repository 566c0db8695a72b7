"""Paths, caches, kept results, and writing a folder whole or not at all."""
