"""Notices on our own pages."""
