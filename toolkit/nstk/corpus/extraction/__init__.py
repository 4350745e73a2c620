"""Numeric functions out of the files of a package, self-contained."""
