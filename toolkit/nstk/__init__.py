"""nstk, the neural surrogate toolkit: a numeric C function in, a tiny verified neural network in one C header out."""

__version__ = "0.1.0"
