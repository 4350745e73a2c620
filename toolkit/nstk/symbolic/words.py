"""What words mean in C: types, constants, library functions, literals."""

import re

import numpy as np

_INT = "int short long char signed int8_t int16_t int32_t int64_t intptr_t ptrdiff_t"
_UNSIGNED = "unsigned uint8_t uint16_t uint32_t uint64_t uintptr_t size_t"
_LIBRARY = """
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 exp2 expm1 fabs fdim
    floor fma fmax fmin fmod frexp hypot ilogb isfinite isinf isnan j0 j1 jn ldexp lgamma log log10 log1p log2 logb
    lrint lround modf nearbyint nextafter pow remainder rint round scalbn signbit sin sincos sinh sqrt tan tanh
    tgamma trunc y0 y1 yn"""

LIBRARY = tuple(_LIBRARY.split())
#: Types by what they are to arithmetic; `float` and `double` differ by rounding only.
TYPES = {
    **dict.fromkeys(("float", "double"), "float"),
    **dict.fromkeys(_INT.split(), "int"),
    **dict.fromkeys(_UNSIGNED.split(), "unsigned"),
    **dict.fromkeys(("bool", "_Bool"), "bool"),
    "void": "void",
}
#: Qualifiers and storage classes that mean nothing to a formula.
DROPPED = frozenset("const static inline volatile register restrict extern __inline __restrict".split())  # noqa: SIM905
NAMED_VALUES = {
    "M_E": np.e, "M_LOG2E": np.log2(np.e), "M_LOG10E": np.log10(np.e), "M_LN2": np.log(2), "M_LN10": np.log(10),
    "M_PI": np.pi, "M_PI_2": np.pi / 2, "M_PI_4": np.pi / 4, "M_1_PI": 1 / np.pi, "M_2_PI": 2 / np.pi,
    "M_2_SQRTPI": 2 / np.sqrt(np.pi), "M_SQRT2": np.sqrt(2), "M_SQRT1_2": np.sqrt(0.5), "FLT_EPSILON": 2.0**-23,
    "DBL_EPSILON": 2.0**-52, "DBL_MIN_EXP": -1021.0, "DBL_MAX_EXP": 1024.0, "DBL_MIN_10_EXP": -307.0,
    "DBL_MAX_10_EXP": 308.0, "DBL_DIG": 15.0, "FLT_MAX": 3.4e38, "FLT_MIN": 1.2e-38, "DBL_MAX": 3.4e38,
    "DBL_MIN": 1.2e-38, "INT_MAX": 2.0**31, "INT_MIN": -(2.0**31), "UINT_MAX": 2.0**32, "INFINITY": 3.4e38,
    "HUGE_VAL": 3.4e38, "HUGE_VALF": 3.4e38, "NAN": 0.0, "NULL": 0.0, "true": 1.0, "false": 0.0,
}  # fmt: skip
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|\d+")
_SET = frozenset(LIBRARY)


def parse_number(token: str) -> float:
    """Return the value of a C numeric or character literal, kept within float32; 0 if it is malformed."""
    if token[0] == "'":
        return float(ord(token[1])) if len(token) == 3 else 0.0
    plain = token.rstrip("lLuU")
    hexadecimal = plain[:2] in ("0x", "0X")
    if not hexadecimal:
        plain = plain.rstrip("fF")
    try:
        if _INTEGER.fullmatch(plain):
            octal = len(plain) > 1 and plain[0] == "0" and plain.isdigit()
            value = float(int(plain, 8 if octal else 0))
        else:
            value = float.fromhex(plain.rstrip("fF")) if hexadecimal else float(plain)
    except (ValueError, OverflowError):
        return 0.0
    return float(np.clip(value, -3.4e38, 3.4e38))


def library_name(token: str) -> str:
    """Return the library function a name means, without the `f` or `l` of its type; empty if it means none."""
    token = token.removeprefix("__builtin_")
    if token in _SET:
        return token
    return token[:-1] if token[-1] in "fl" and token[:-1] in _SET else ""
