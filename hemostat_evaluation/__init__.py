"""Measuring diagnosis: generated failures through the production code. Never used at run time."""
