"""Pure rules of alerts: identity, level, and how long one lasts."""
