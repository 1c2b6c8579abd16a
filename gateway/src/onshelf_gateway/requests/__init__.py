"""Requests as checked values."""
