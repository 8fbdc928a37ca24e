"""Measuring diagnosis: generated failures and labelled data sets through the production code. Never used at run time."""
