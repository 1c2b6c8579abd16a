"""Benchmarks of Onshelf: each module opens with its command, and leaves its result in benchmarks/results."""
