"""Pure rules of the door: limits, redaction, sketches, and the ten-second buckets."""
