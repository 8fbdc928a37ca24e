"""Prepared plans that stop the bleeding: steps with guards, run by one click, verified against the KPI."""
