"""One call under way: deadline, timings, permits, errors, metrics, logs."""
