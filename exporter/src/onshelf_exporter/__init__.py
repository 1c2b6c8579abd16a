"""From a retailer's history to a model release."""
