"""Incidents: severity, stages and their clocks, roles, and the one place where they are opened or joined."""
