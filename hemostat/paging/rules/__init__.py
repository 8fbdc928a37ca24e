"""Pure rules of paging: what happens next, and why."""
