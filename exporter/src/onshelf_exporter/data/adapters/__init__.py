"""Adapters: each reads one kind of source into the canonical tables."""
