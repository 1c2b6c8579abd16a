"""From a retailer's files to canonical tables, weekly features and launches."""
