"""Triton's protocol: the whole plan as one model, for perf_analyzer and any other client of KServe's version 2."""
