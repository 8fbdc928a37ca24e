"""Pure rules of diagnosis: tree, ranking, explanation."""
