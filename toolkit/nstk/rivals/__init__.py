"""The rivals of a surrogate: what an engineer would otherwise write for a function of few inputs.

Interpolated lookup tables, linear and cubic, in float and in int16, and a tensor Chebyshev polynomial in float; each as
small as the tolerance allows, emitted, verified and measured as the surrogate is.
"""
