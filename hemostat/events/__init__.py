"""The append-only record of what happened, and the start of everything that follows from it."""
