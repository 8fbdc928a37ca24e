"""Users, roles and what they may do, API tokens, signing in."""
