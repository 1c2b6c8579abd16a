"""How a product is understood."""
