"""Clients that behave like the parties of the control tower, over the real service."""
