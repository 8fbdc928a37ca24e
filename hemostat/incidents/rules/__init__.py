"""Pure rules of incidents: states, severity, stages."""
