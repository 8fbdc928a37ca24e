"""Turning figures into signals: what fell, against its own recent past."""
