"""Whether what is learned is any good: baselines, evaluation, policy studies, reports. Nobody installs it to serve."""
