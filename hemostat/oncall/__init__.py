"""Who is on call, now and at any time."""
