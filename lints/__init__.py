"""Rules of the house that a machine can watch: small checks on the syntax tree, each with tests of its own."""
