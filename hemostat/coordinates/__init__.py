"""The map of where things break: system, link and node-exception coordinates, and their registry."""
