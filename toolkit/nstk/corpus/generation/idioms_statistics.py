"""Idioms of statistics: densities, distributions, special functions."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def statistics_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _statistics()


def _statistics() -> Iterator[Idiom]:
    yield idiom(
        "density",
        "gauss normal_pdf gaussian laplace_pdf cauchy lorentzian logistic_pdf maxwell rayleigh weibull lognormal "
        "voigt student_t",
        "x|t|v|e",
        "return $a * exp(-sqr(($x - $mu) / $sigma) (| / 2.0 |  |));",
        "return exp(-fabs($x - $mu) / ($sigma * $sigma + 0.2)) * $a;",
        "return $a / (1.0 + sqr(($x - $mu) / ($sigma + (| 0.0 | 0.3 |))));",
        """
        real %z = ($x - $mu) / $sigma;
        return (| exp(-%z * %z / 2.0) / ($sigma * sqrt(2.0 * M_PI)) | exp(-%z) / sqr(1.0 + exp(-%z)) |
            pow(1.0 + %z * %z / @3.0, -@2.0) | (1.0 - %z * %z) * exp(-%z * %z / 2.0) |
            fabs(%z) * exp(-%z * %z) |) * $a;
        """,
        """
        real %u = fabs($x) / $sigma + 0.02;
        return $a * (| %u * exp(-%u * %u / 2.0) | %u * %u * exp(-%u) | exp(-sqr(log(%u) - $mu) / 2.0) / (%u + 0.3) |);
        """,
        mu=0.2,
        sigma=0.6,
        a=0.9,
    )
    yield idiom(
        "bivariate density",
        "gauss2d gaussian2 bivariate mahalanobis gabor mexican_hat dog log_filter likelihood",
        "x y|u v|dx dy",
        "return $a * exp(-($x * $x + $y * $y) / (2.0 * $s * $s));",
        """
        real %z = $x * $x - 2.0 * $a * 0.5 * $x * $y + $y * $y;
        return (| exp(-%z / $s) | sqrt(fabs(%z) + 0.01) * $s | exp(-%z) * cos($s * 4.0 * $x) |);
        """,
        """
        real %r = ($x * $x + $y * $y) / ($s * $s);
        return (| (1.0 - %r) * exp(-%r / 2.0) | exp(-%r) - $a * exp(-%r / @3.0) |
            (1.0 - 0.5 * %r) * exp(-0.5 * %r) * $a |);
        """,
        """
        real %u = $x * cos($a) + $y * sin($a);
        real %v = $y * cos($a) - $x * sin($a);
        return exp(-0.5 * (%u * %u + @0.5 * %v * %v) / ($s * $s)) * cos(@4.0 * %u);
        """,
        a=0.6,
        s=0.7,
    )
    yield idiom(
        "distribution",
        "normal_cdf phi logit logistic probit erf_approx gumbel_cdf weibull_cdf expit log_odds entropy_of "
        "binary_entropy black_scholes",
        "x|p|z|q",
        "return 0.5 * (1.0 + erf(($x - $m) / ($s * sqrt(2.0))));",
        """
        real %p = clamp(0.5 * ($x + 1.0), 0.01, 0.99);
        return (| log(%p / (1.0 - %p)) * $s | -%p * log(%p) - (1.0 - %p) * log(1.0 - %p) |
            sqrt(-2.0 * log(%p)) * $s | $m * %p * (1.0 - %p) |);
        """,
        """
        real %t = 1.0 / (1.0 + 0.3275911 * fabs($x) / $s);
        real %y = 1.0 - (((1.061405429 * %t - 1.453152027) * %t + 1.421413741) * %t * %t - 0.284496736 * %t
            + 0.254829592) * %t * exp(-$x * $x);
        return $x (| > | >= |) 0.0 ? %y : -%y (|  | * $m |);
        """,
        "return exp(-exp(-($x - $m) / $s));",
        "return 1.0 - exp(-pow(fabs($x) / $s, (| 1.5 | 2.0 | ($m + 1.0) |)));",
        "return $s / (1.0 + exp(-@3.0 * ($x - $m)));",
        m=0.2,
        s=0.8,
    )
    yield idiom(
        "gamma function",
        "lgamma_approx stirling log_gamma beta_fn gamma_lanczos digamma factorial_approx lbeta zeta_sum",
        "x|z|a",
        """
        real %x = fabs($x) + @1.0;
        return (%x - 0.5) * log(%x) - %x + (| 0.9189385 | 0.5 * log(2.0 * M_PI) |) + $k / (12.0 * %x);
        """,
        """
        real %z = fabs($x) + $k + 0.3;
        real %r = 0.0;
        while (%z < 6.0) {
            %r -= 1.0 / %z;
            %z += 1.0;
        }
        return %r + log(%z) - 0.5 / %z - 1.0 / (12.0 * %z * %z);
        """,
        """
        static const real %coef[4] = {76.18009, -86.50532, 24.01410, -1.231740};
        real %x = fabs($x) + 1.0, %y = %x;
        real %t = %x + 5.5;
        real %s = 1.0;
        %t -= (%x + 0.5) * log(%t);
        for (int %i = 0; %i < 4; %i++)
            %s += %coef[%i] / ++%y;
        return $k * (-%t + log(2.5066283 * fabs(%s) / %x));
        """,
        """
        real %s = 0.0;
        for (int %i = 1; %i <= (| 8 | 12 | 20 |); %i++)
            %s += 1.0 / pow((real)%i, 1.2 + fabs($x) + $k);
        return %s;
        """,
        k=0.8,
    )
