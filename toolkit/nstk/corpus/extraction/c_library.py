"""The names that need no definition: the C library's of the sandbox, and a few of libraries every package builds on."""

_LEVELS = """
    DIG EPSILON MANT_DIG MAX MAX_10_EXP MAX_EXP MIN MIN_10_EXP MIN_EXP DECIMAL_DIG TRUE_MIN HAS_SUBNORM
""".split()  # noqa: SIM905
_DOUBLE = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp10 exp2 expm1 fabs fdim floor fma
    fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan
    nearbyint nextafter nexttoward pow remainder remquo rint round scalbln scalbn sin sincos sinh sqrt tan tanh tgamma
    trunc
""".split()  # noqa: SIM905
_INTEGERS = [
    f"{sign}int{kind}{bits}" for sign in ("", "u") for kind in ("", "_least", "_fast") for bits in (8, 16, 32, 64)
]

#: What math.h, float.h, limits.h, stdint.h, stddef.h, stdbool.h, stdlib.h and string.h give a candidate; not what a
#: numeric function has no business with.
PRELUDE = frozenset(
    """
    CHAR_BIT CHAR_MAX CHAR_MIN DECIMAL_DIG EXIT_FAILURE EXIT_SUCCESS FLT_EVAL_METHOD FLT_RADIX FLT_ROUNDS FP_ILOGB0
    FP_ILOGBNAN FP_INFINITE FP_NAN FP_NORMAL FP_SUBNORMAL FP_ZERO HUGE HUGE_VAL HUGE_VALF HUGE_VALL INFINITY INT_MAX
    INT_MIN LLONG_MAX LLONG_MIN LONG_MAX LONG_MIN M_1_PI M_2_PI M_2_SQRTPI M_E M_LN10 M_LN2 M_LOG10E M_LOG2E M_PI M_PI_2
    M_PI_4 M_SQRT1_2 M_SQRT2 NAN NULL RAND_MAX SCHAR_MAX SCHAR_MIN SHRT_MAX SHRT_MIN SIZE_MAX UCHAR_MAX UINT_MAX
    ULLONG_MAX ULONG_MAX USHRT_MAX PTRDIFF_MAX PTRDIFF_MIN INTMAX_MAX INTMAX_MIN UINTMAX_MAX
    bool true false size_t ptrdiff_t wchar_t intmax_t uintmax_t intptr_t uintptr_t float_t double_t
    div_t __auto_type signgam offsetof
    fpclassify isfinite isgreater isgreaterequal isinf isless islessequal islessgreater isnan isnormal isunordered
    signbit finite finitef drem dremf j0 j1 jn y0 y1 yn j0f j1f jnf y0f y1f ynf lgamma_r lgammaf_r pow10 pow10f
    scalb scalbf significand significandf abs labs llabs div ldiv lldiv memchr memcmp memcpy memmove memset ffs
    """.split()  # noqa: SIM905
    + [name + suffix for name in _DOUBLE for suffix in ("", "f", "l")]
    + [f"{kind}_{level}" for kind in ("DBL", "FLT", "LDBL") for level in _LEVELS]
    + [f"{name}_t" for name in _INTEGERS]
    + [f"{name.upper()}_{limit}" for name in _INTEGERS for limit in ("MAX", "MIN", "C")]
)

#: Types of the libraries and compilers that packages take for granted.
EXTERNAL_TYPES = {
    "gdouble": "double",
    "gfloat": "float",
    "gboolean": "int",
    "gint": "int",
    "guint": "unsigned int",
    "glong": "long",
    "gulong": "unsigned long",
    "gint8": "int8_t",
    "gint16": "int16_t",
    "gint32": "int32_t",
    "gint64": "int64_t",
    "guint8": "uint8_t",
    "guint16": "uint16_t",
    "guint32": "uint32_t",
    "guint64": "uint64_t",
    "guchar": "unsigned char",
    "gsize": "size_t",
    "GLfloat": "float",
    "GLdouble": "double",
    "qreal": "double",
    "uint": "unsigned int",
    "uchar": "unsigned char",
    "ushort": "unsigned short",
    "ulong": "unsigned long",
    "u_int32_t": "uint32_t",
    "u_int64_t": "uint64_t",
    "__int32_t": "int32_t",
    "__uint32_t": "uint32_t",
    "__int64_t": "int64_t",
    "__uint64_t": "uint64_t",
    "__INT8_TYPE__": "signed char",
    "__INT16_TYPE__": "short",
    "__INT32_TYPE__": "int",
    "__INT64_TYPE__": "long long",
    "__UINT8_TYPE__": "uint8_t",
    "__UINT16_TYPE__": "uint16_t",
    "__UINT32_TYPE__": "uint32_t",
    "__UINT64_TYPE__": "uint64_t",
    "__SIZE_TYPE__": "size_t",
    "_Bool": "bool",
    "ssize_t": "ptrdiff_t",
    "Bool": "int",
    "BOOL": "int",
}

#: What packages have in their own complicated ways; these ones go before them. Those with STD stand for templates of
#: C++ and have their values for all types, zeros and NaN.
OVERRIDES = """
static int errno;
#define EDOM 33
#define ERANGE 34
#define GSL_NAN NAN
#define GSL_POSINF INFINITY
#define GSL_NEGINF (-INFINITY)
#define R_NaN NAN
#define R_NaReal NAN
#define R_PosInf INFINITY
#define R_NegInf (-INFINITY)
#define STD_MAX(a, b) (((a) < (b)) ? (b) : (a))
#define STD_MIN(a, b) (((b) < (a)) ? (b) : (a))
#define STD_ABS(x) (((x) <= 0) ? 0 - (x) : (x))
#define likely(x) (x)
#define unlikely(x) (x)
"""

#: Macros of other libraries; a package's own go before these.
EXTERNALS = """
#define TRUE 1
#define FALSE 0
#define G_PI 3.1415926535897932384626433832795028841971693993751
#define G_PI_2 1.5707963267948966192313216916397514420985846996876
#define G_PI_4 0.78539816339744830961566084581987572104929234984378
#define G_E 2.7182818284590452353602874713526624977572470937000
#define G_LN2 0.69314718055994530941723212145817656807550013436026
#define G_LN10 2.3025850929940456840179914546843642076011014886288
#define G_SQRT2 1.4142135623730950488016887242096980785696718753769
#define G_MAXDOUBLE DBL_MAX
#define G_MINDOUBLE DBL_MIN
#define G_MAXFLOAT FLT_MAX
#define G_MAXINT INT_MAX
#define G_LIKELY(x) (x)
#define G_UNLIKELY(x) (x)
#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))
#define ABS(a) (((a) < 0) ? -(a) : (a))
#define CLAMP(x, low, high) (((x) > (high)) ? (high) : (((x) < (low)) ? (low) : (x)))
#define MAXFLOAT FLT_MAX
#define MAXDOUBLE DBL_MAX
#define MINDOUBLE DBL_MIN
#define M_PIl 3.141592653589793238462643383279502884L
#define M_PI_2l 1.570796326794896619231321691639751442L
#define M_LN2l 0.693147180559945309417232121458176568L
#define Q_UNUSED(x) ((void)(x))
#define g_return_val_if_fail(condition, value) do { if (!(condition)) return (value); } while (0)
#define isnanf(x) isnan(x)
#define isinff(x) isinf(x)
#define isfinitef(x) isfinite(x)
#define __min(a, b) (((a) < (b)) ? (a) : (b))
#define __max(a, b) (((a) > (b)) ? (a) : (b))
#define NPY_PI 3.141592653589793238462643383279502884
#define NPY_PI_2 1.570796326794896619231321691639751442
#define NPY_PI_4 0.785398163397448309615660845819875721
#define NPY_E 2.718281828459045235360287471352662498
#define NPY_EULER 0.577215664901532860606512090082402431
#define NPY_SQRT2 1.414213562373095048801688724209698079
#define NPY_SQRT1_2 0.707106781186547524400844362104849039
#define NPY_LOGE2 0.693147180559945309417232121458176568
#define NPY_1_PI 0.318309886183790671537767526745028724
#define NPY_2_PI 0.636619772367581343075535053490057448
#define NPY_LOG2E 1.442695040888963407359924681001892137
#define NPY_NAN NAN
#define NPY_INFINITY INFINITY
#define npy_isnan(x) isnan(x)
#define npy_isinf(x) isinf(x)
#define npy_isfinite(x) isfinite(x)
#define npy_signbit(x) signbit(x)
#define npy_copysign(x, y) copysign(x, y)
"""
