"""NVIDIA's perf_analyzer against Triton's models and the running gateway: see run.py."""
