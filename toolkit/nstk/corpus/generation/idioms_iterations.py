"""Idioms of iteration: roots, fixed points, orbits, bisection, means, escape times, integration."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def iterations_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield idiom(
        "newton",
        "newton_sqrt newton_root solve_newton nsqrt my_sqrt cube_root inv_sqrt solve_root find_root implicit_solve",
        "x|a|v|target",
        """
        real %a = (| fabs($x) + $eps | $x * $x + $eps | 1.0 + 0.5 * $x * $eps |);
        real %x = (| %a | 1.0 | 0.5 * (%a + 1.0) |);
        for (int %i = 0; %i < (| 3 | 4 | 6 | 10 | 20 |); %i++)
            %x = (| 0.5 * (%x + %a / %x) | (2.0 * %x + %a / (%x * %x)) / 3.0 |);
        return $g * %x;
        """,
        """
        real %y = $x;
        int %n;
        for (%n = 0; %n < (| 10 | 20 | 50 |); %n++) {
            real %f = %y + $g * (| %y * %y * %y | sin(%y) * 0.5 | tanh(%y) | sinh(%y) |) - $x * @1.5;
            real %d = %f / (1.0 + $g * (| 3.0 * %y * %y | 0.5 * cos(%y) + 0.5 | 1.0 | cosh(%y) |));
            %y -= %d;
            if (fabs(%d) < (| 1e-6 | 1e-7 | 1e-5 | 1e-4 |))
                break;
        }
        return %y + $eps;
        """,
        """
        real %a = $x * $x + $eps;
        real %y = @0.8;
        %y = %y * (1.5 - 0.5 * %a * %y * %y);
        %y = %y * (1.5 - 0.5 * %a * %y * %y);
        return (| %y | $g * %y | $x * %y |);
        """,
        eps=0.3,
        g=0.7,
    )
    yield idiom(
        "orbit equation",
        "eccentric true_anomaly orbit_radius solve_orbit anomaly orbit_angle mean_to_true barker",
        "m e|M ecc|anom e|l e",
        """
        real %e = clamp(fabs($e) * @0.8, 0.0, 0.9);
        real %x = $m;
        for (int %i = 0; %i < (| 3 | 5 | 8 | 12 |); %i++)
            %x = (| $m * $k + %e * sin(%x) | %x - (%x - %e * sin(%x) - $k * $m) / (1.0 - %e * cos(%x)) |);
        return (| 2.0 * atan(sqrt((1.0 + %e) / (1.0 - %e)) * tan(0.5 * %x)) | @1.0 * (1.0 - %e * cos(%x)) |
            cos(%x) - %e | sqrt(1.0 - %e * %e) * sin(%x) |);
        """,
        """
        real %x = $m, %d = 1.0;
        int %n = 0;
        while (fabs(%d) > 1e-6 && %n++ < (| 20 | 30 | 50 |)) {
            %d = (%x - $k * $e * sin(%x) - $m) / (@1.2 + fabs($k * $e) - $k * $e * cos(%x));
            %x -= %d;
        }
        return (| $e * cos(%x) + @0.5 | %x - $m | sin(%x) | 1.0 - $e * cos(%x) |);
        """,
        k=0.7,
    )
    yield idiom(
        "fixed point",
        "fixed_point iterate solve_fp converge picard equilibrium self_consistent settle friction_iter wegstein "
        "relax_to",
        "x|p|a|load",
        """
        real %v = (| $x | 0.0 | 1.0 |);
        for (int %i = 0; %i < (| 5 | 10 | 20 | 40 |); %i++)
            %v = (| cos($k * %v) + $w * $x | $w * tanh(%v + $x) + 0.2 * %v | exp(-$k * fabs(%v)) * $w + 0.5 * $x |
                0.5 * sin(%v) * $k + $x * $w |);
        return %v;
        """,
        """
        real %v = @1.0, %t;
        int %n = 0;
        do {
            %t = %v;
            %v = (| sqrt(fabs($x) + $w + $k * %v) | $w / (1.0 + %v * %v) + $k * 0.5 * $x |
                log(2.0 + $w * $x + fabs(%v)) | $x * $w + $k * atan(%v) |);
        } while (fabs(%v - %t) > (| 1e-5 | 1e-6 | 1e-4 |) && ++%n < (| 25 | 40 | 100 |));
        return %v;
        """,
        """
        real %s = @3.0;
        for (int %i = 0; %i < (| 4 | 6 | 10 |); %i++)
            %s = -$k * 2.0 * log10(fabs($w * $x) / @3.7 + @0.3 / (fabs(%s) + 0.5));
        return (| 1.0 / (%s * %s + 0.2) | %s | %s * $x |);
        """,
        k=0.6,
        w=0.8,
    )
    yield idiom(
        "bisection",
        "bisect bisection_root solve_bracket find_zero root_in secant golden_min inverse_lookup",
        "x|y|target|c",
        """
        real %a = -@2.0, %b = @2.5;
        for (int %i = 0; %i < (| 12 | 20 | 30 | 40 |); %i++) {
            real %t = 0.5 * (%a + %b);
            if ((| %t * %t * %t * $k + %t | %t + $k * sin(%t) | tanh($k * %t) + 0.3 * %t |
                exp(0.5 * %t) - 1.0 + $k * %t |) (| > | >= |) $x)
                %b = %t;
            else
                %a = %t;
        }
        return (| 0.5 * (%a + %b) | %a | (%a + %b) * @0.5 |);
        """,
        """
        real %a = (| -1.0 | 0.0 | -@1.0 |), %b = @1.5;
        real %f = $x - $k * %b - %b * %b * %b;
        while (%b - %a > (| 1e-4 | 1e-5 | 1e-3 |)) {
            real %t = (%a + %b) / 2.0;
            %f = $x - $k * %t - %t * %t * %t;
            if (%f < 0.0)
                %b = %t;
            else
                %a = %t;
        }
        return %a + $k * %f;
        """,
        k=0.5,
    )
    yield idiom(
        "arithmetic geometric mean",
        "agm elliptic_k ellipk pendulum_period agm_mean complete_elliptic",
        "x y|a b|k m",
        """
        real %a = fabs($x) + $c;
        real %b = fabs($y) + @0.2;
        for (int %i = 0; %i < (| 3 | 4 | 5 | 8 |); %i++) {
            real %t = 0.5 * (%a + %b);
            %b = sqrt(%a * %b);
            %a = %t;
        }
        return (| %a | M_PI / (2.0 * %a) * @0.7 | @1.0 / %a |);
        """,
        """
        real %a = 1.0, %b = sqrt(fabs(1.0 - @0.5 * $x * $x)) + 0.05;
        while (fabs(%a - %b) > 1e-5) {
            real %t = (%a + %b) / 2.0;
            %b = sqrt(%a * %b);
            %a = %t;
        }
        return $c * $y + (| M_PI / 2.0 / %a | %a * $y | log(%a + 1.0) |);
        """,
        c=0.3,
    )
    yield idiom(
        "escape iteration",
        "mandelbrot julia escape orbit_trap burning_ship mandel_iter smooth_escape fractal",
        "x y|cx cy|re im|a b",
        """
        real %u = 0.0, %v = 0.0;
        int %n = 0;
        while (%u * %u + %v * %v < 4.0 && %n < (| 4 | 6 | 8 | 10 |)) {
            real %t = %u * %u - %v * %v + $x * $z;
            %v = 2.0 * %u * %v + $y;
            %u = %t;
            %n++;
        }
        return (| %n / (| 10.0 | 8.0 |) | (%u * %u + %v * %v) / (1.0 + %n) | %u / (1.0 + fabs(%v)) |
            sqrt(%u * %u + %v * %v) * 0.5 |);
        """,
        """
        real %a = $x, %b = $y;
        for (int %i = 0; %i < (| 3 | 4 | 6 |); %i++) {
            real %t = %a * %a - %b * %b + @~0.8;
            %b = 2.0 * (| %a * %b | fabs(%a * %b) |) + $z * @~1.0;
            %a = %t;
            if (%a * %a + %b * %b > @3.0)
                break;
        }
        return (| %a / (1.0 + fabs(%b)) | clamp(%a, -2.0, 2.0) | exp(-fabs(%a * %b)) |);
        """,
        z=0.8,
    )
    yield idiom(
        "integration",
        "integrate simpson trapezoid euler_step rk4 rk2_step ode_step quad_rule integrate_f gauss_legendre decay_sim",
        "x|t|b|upper",
        """
        real %h = $x / (| 8.0 | 10.0 | 4.0 |);
        real %s = 0.0;
        for (int %i = 0; %i < (| 8 | 10 | 4 |); %i++) {
            real %t = (%i + 0.5) * %h;
            %s += (| exp(-$k * %t * %t) | 1.0 / (1.0 + $k * %t * %t) | sin($k * %t) | sqrt(1.0 + $k * %t * %t) |
                cos(%t * %t + $k) |);
        }
        return $y0 + %s * %h;
        """,
        """
        real %y = $y0, %h = @0.1;
        for (int %i = 0; %i < (| 5 | 10 | 16 |); %i++)
            %y += %h * ((| $x - %y | -$k * %y + $x | %y * (1.0 - %y) + $x | $k * sin(%y) + $x |
                -$k * %y * %y * %y + $x |));
        return %y;
        """,
        """
        real %a = $x - $k * $y0;
        real %b = $x - $k * ($y0 + 0.5 * @0.3 * %a);
        real %c = $x - $k * ($y0 + @0.3 * %b) (|  | * fabs($y0) |);
        return $y0 + @0.3 / 6.0 * (%a + 4.0 * %b + %c);
        """,
        k=1.2,
        y0=0.4,
    )
