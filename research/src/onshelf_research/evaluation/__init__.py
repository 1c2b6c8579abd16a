"""Model releases and baselines, measured on the same rows."""
