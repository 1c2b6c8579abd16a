"""Related products of a model release: complements and substitutes, with lift, support and interval."""
