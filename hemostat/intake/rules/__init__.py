"""Pure rules of the door: traces put together, failing requests attributed, counts and sketches merged."""
