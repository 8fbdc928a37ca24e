"""Thin entries of the desk's pages: parse, ask one query or call one action, answer."""
