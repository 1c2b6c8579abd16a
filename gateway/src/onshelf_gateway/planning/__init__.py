"""Candidates, forecasts, economics, stock, constraints, ranking, prices, explanation."""
