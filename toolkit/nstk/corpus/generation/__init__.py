"""Functions that no package has: mutants of real ones, idioms with random parameters, and a grammar."""
