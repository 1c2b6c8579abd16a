"""A real Triton on a CPU machine, without a container."""
