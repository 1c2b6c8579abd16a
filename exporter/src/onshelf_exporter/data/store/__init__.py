"""The store of decisions and events: read through Ibis, and joined to a retailer's history."""
