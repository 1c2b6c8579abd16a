"""From trained models to a published model release: graphs, checks, configurations, cards."""
