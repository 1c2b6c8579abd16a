"""Model releases as the gateway reads them."""
