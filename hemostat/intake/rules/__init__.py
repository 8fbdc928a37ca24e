"""Pure rules of the door: limits, redaction, ten-second buckets, traces put together, failing requests attributed."""
