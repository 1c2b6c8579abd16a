"""One package for each service, one file for each of its calls."""
