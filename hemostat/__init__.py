"""Hemostat: incident response that lets everyone on the team respond."""

__version__ = "0.1.0"
