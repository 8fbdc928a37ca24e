"""Pure rules of plans: states of a run, what comes next, which plan leads."""
