"""Stubs generated from proto/onshelf/v1 by `make proto`. Do not edit."""
