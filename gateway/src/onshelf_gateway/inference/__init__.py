"""Typed calls of the models, batched and kept."""
