"""The state of alerts that other systems send: dedup, lifetime, and each one's fate."""
