"""Idioms of numerical analysis: polynomials, rational functions, series, continued fractions."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def series_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    for degree in range(2, 8):
        yield _polynomial(degree)
    yield from _rational()
    yield from _series()


def _polynomial(degree: int) -> Idiom:
    """Polynomials of one degree whose coefficients may be arguments."""
    names = [f"c{k}" for k in range(degree + 1)]
    horner = f"$c{degree}"
    for k in reversed(range(degree)):
        horner = f"({horner} * $x + $c{k})" if k else f"{horner} * $x + $c{k}"
    table = ", ".join(f"$c{k}" for k in range(degree + 1))
    powers = " + ".join(["$c0", *(f"$c{k} * " + " * ".join(["$x"] * k) for k in range(1, degree + 1))])
    powers_called = " + ".join(["$c0", "$c1 * $x", *(f"$c{k} * pow($x, {k}.0)" for k in range(2, degree + 1))])
    backwards = "\n".join(f"%r = %r * $x + $c{k};" for k in reversed(range(degree)))
    return idiom(
        "polynomial",
        "poly horner polyval eval_poly polynomial curve fit_eval poly_eval correction p_of_x chebyshev",
        "x|t|u|z|temp",
        f"return {horner};",
        f"return {powers};",
        f"return {powers_called};",
        f"real %r = $c{degree};\n{backwards}\nreturn (| %r | %r | sin(%r) | exp(-fabs(%r)) | 1.0 / (1.0 + %r * %r) |);",
        f"const real %c[{degree + 1}] = {{{table}}};\nreal %r = 0.0;\n"
        f"for (int %i = {degree}; %i >= 0; %i--)\n    %r = %r * $x + %c[%i];\nreturn %r;",
        f"real %c[] = {{{table}}};\nreal %s = 0.0, %p = 1.0;\nint %i;\nfor (%i = 0; %i < {degree + 1}; %i++) {{\n"
        "    %s += %c[%i] * %p;\n    %p *= $x;\n}\nreturn %s;",
        f"const real %c[] = {{{table}}};\nreal %d = 0.0, %e = 0.0, %t;\nfor (int %i = {degree}; %i >= 1; %i--) {{\n"
        "    %t = %d;\n    %d = 2.0 * $x * %d - %e + %c[%i];\n    %e = %t;\n}\nreturn $x * %d - %e + $c0;",
        **{name: 0.8 / (1 + 0.4 * k) for k, name in enumerate(names)},
    )


def _rational() -> Iterator[Idiom]:
    yield idiom(
        "rational function",
        "rational pade approx_ratio fast_tanh fast_atan ratio fast_exp approx_sin hill response michaelis sat_curve",
        "x|t|u|v",
        "return $x * ($a + $b * $x * $x) / ($c + $x * $x);",
        "return ($a + $b * $x) / (1.0 + $c * $x * $x);",
        "return ($a * $x * $x + $b * $x + @0.3) / ($x * $x + $c * (| fabs($x) | $x * $x |) + 1.0);",
        "return $x * (27.0 + $a * $x * $x) / (27.0 * $c + 9.0 * $x * $x) + $b;",
        """
        real %x = $x * $x;
        real %n = $a + %x * (@~1.0 + %x * @~0.5);
        real %q = 1.0 + %x * (@0.4 + %x * $c);
        return (| $x * %n / %q | %n / %q | sqrt(fabs(%n)) / %q |) + $b * @0.3;
        """,
        "return $a * pow(fabs($x), $b) / (pow(fabs($x), $b) + pow($c * $c + 0.1, $b));",
        "return $a / ($b * $b + 0.3 + 1.0 / (fabs($x) + $c * $c + 0.2));",
        a=0.9,
        b=0.5,
        c=1.2,
    )


def _series() -> Iterator[Idiom]:
    yield idiom(
        "power series",
        "sin_taylor cos_series exp_series bessel_j0 erf_series bessel_i0 my_exp sin_approx log1p_series atan_series "
        "sinint",
        "x|z|t",
        """
        real %t = (| 1.0 | $x | $a |), %s = %t;
        for (int %i = 1; %i < (| 6 | 8 | 10 | 15 |); %i++) {
            %t *= (| -$x * $x | $x * $x | $x | -$x |) / ((| %i * (%i + $b) | (2.0 * %i + $b) * (2.0 * %i + 1.0) |
                (%i + $b) |));
            %s += %t (|  | / (%i + 1.0) | * $a |);
        }
        return %s;
        """,
        """
        real %s = 0.0;
        real %p = $a * $x;
        for (int %i = 0; %i < (| 5 | 7 | 12 |); %i++) {
            %s += %p / (2.0 * %i + 1.0 + $b);
            %p *= (| - |  |)(| $x * $x | 0.5 * $x |);
        }
        return %s;
        """,
        """
        real %t = 1.0;
        real %s = 1.0;
        int %n = 1;
        while (fabs(%t) > (| 1e-6 | 1e-7 | 1e-5 |) && %n < (| 20 | 30 | 50 |)) {
            %t *= (| $x | -$x * $x | $x * $b |) / (%n (|  | + $b | * %n |));
            %s += %t;
            %n++;
        }
        return $a * %s;
        """,
        """
        real %s = $a;
        for (int %i = (| 3 | 4 | 5 |); %i >= 1; %i--)
            %s += (| sin | cos |)(%i * $x * $b) / (%i * %i);
        return %s;
        """,
        a=0.8,
        b=0.5,
    )
    yield idiom(
        "continued fraction",
        "cont_frac tan_cf betacf continued_fraction cf_eval expint_cf erfc_cf lentz ladder",
        "x|z|t",
        """
        real %f = (| 0.0 | $a |);
        for (int %i = (| 6 | 8 | 10 | 5 |); %i > 0; %i--)
            %f = (| $x * $x | fabs($x) | %i * $b * $x * $x |) / (2.0 * %i + 1.0 + %f);
        return $x / (1.0 + %f) (| + $a |  |);
        """,
        """
        real %d = 1.0;
        for (int %i = (| 4 | 6 | 9 |); %i >= 1; --%i)
            %d = %i + $a + $x * $x / (%d + $b);
        return (| 1.0 / %d | $x / %d | exp(-$x * $x) / %d | @3.0 / %d - $b |);
        """,
        a=0.5,
        b=0.7,
    )
    yield idiom(
        "recurrence",
        "legendre hermite_poly chebyshev_t laguerre bessel_rec orthopoly legendre_p logistic_map henon",
        "x|t|mu",
        """
        real %a = 1.0, %b = $x;
        for (int %i = (| 1 | 2 |); %i < (| 3 | 4 | 5 |); %i++) {
            real %c = (| ((2.0 * %i + 1.0) * $x * %b - %i * %a) / (%i + 1.0) | 2.0 * $x * %b - %a |
                ($x * %b - $k * %a) | ((2.0 * %i + 1.0 - $x) * %b - %i * %a) / (%i + 1.0) |);
            %a = %b;
            %b = %c;
        }
        return $s * %b;
        """,
        """
        real %v = 0.5 * (| ($x + 1.0) | fabs($x) |);
        for (int %i = 0; %i < (| 2 | 3 | 4 |); %i++)
            %v = (| @2.5 | 3.0 | ($k + 2.0) |) * %v * (1.0 - %v);
        return %v * $s;
        """,
        k=0.5,
        s=0.8,
    )
