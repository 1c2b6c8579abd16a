"""One handler file per service of the contract."""
