"""How models are measured: metrics, splits, the served path, intervals and the report."""
