"""Runs the examples of docs/clients against a running system."""
