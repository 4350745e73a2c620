"""Idioms of physics and engineering: conversions, sensors, mechanics, optics, flow, circuits, potentials."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def physics_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _conversions()
    yield from _physics()
    yield from _circuits()
    yield from _potentials()


def _conversions() -> Iterator[Idiom]:
    yield idiom(
        "unit conversion",
        "c_to_f f_to_c to_kelvin deg2rad rad_to_deg knots_to_ms mph_to_kmh psi_to_bar lin_to_db amp_to_db feet_to_m "
        "adc_to_volt volts_to_temp",
        "x|t|deg|v|value|raw|c",
        "return (| $x * 1.8 / $k + $off | ($x - $off) / $k | ($x + $off) * 5.0 / 9.0 |"
        " $x * M_PI / 180.0 * @60.0 + $off |);",
        "return $k * log10(fabs($x) + (| 1e-3 | @0.05 | 0.01 |)) + $off;",
        "return pow(10.0, $x / (| 20.0 | @2.0 | $k |)) * @0.3;",
        """
        real %v = fmod($x * @3.0 + @1.0, (| 1.0 | $k |));
        if (%v < 0.0)
            %v += (| 1.0 | $k |);
        return %v + $off;
        """,
        "return $k * log(fabs($x) / @0.4 + 1.0) / (| log(2.0) | 0.6931472 |) + $off;",
        "return $k * exp($x * @0.8) - $off;",
        k=2.0,
        off=0.3,
    )
    yield idiom(
        "atmosphere",
        "pressure_altitude altitude baro_alt density_altitude air_density sat_pressure dewpoint_approx heat_index "
        "wind_chill wet_bulb humidity_corr",
        "p t|h t|pressure temp|temp rh|x y",
        "return $k * (1.0 - pow(fabs(1.0 + $p * @0.3), 0.190284)) * @20.0 + $c * $t;",
        """
        real %g = log(fabs($t) + @0.2) + $k * 3.0 * $p / (@4.0 + $p);
        return $c * @4.0 * %g / (@18.0 - %g);
        """,
        "return $k * exp(17.27 * $p / ($p + @20.0)) * (| $t | (1.0 - $c * $t) | fabs($t) + $c |);",
        "return $k + @0.6 * $p - @1.1 * pow(fabs($t) + 0.1, 0.16) + $c * $p * pow(fabs($t), 0.16);",
        "return $p * atan($k * sqrt(fabs($t) + @8.0) / 3.0) + atan($p + $t) - atan($t - $c)"
        " + @0.3 * pow(fabs($t), 1.5);",
        k=0.6,
        c=0.3,
    )
    yield idiom(
        "sensor",
        "thermistor_temp ntc_temp rtd_temp pt100 steinhart beta_temp sensor_linearize ph_of gas_ppm photo_lux strain",
        "r|x|adc|raw|rs",
        """
        real %u = log(fabs($r) + @0.3);
        return 1.0 / ($a + $b * %u * %u + @0.05 * %u * %u * %u * %u) (| - @0.5 |  |);
        """,
        "return 1.0 / (1.0 / @2.0 + log(1.0 + fabs($r)) * $b) - $a;",
        "return (-$a + sqrt($a * $a + 4.0 * $b * fabs(1.0 - $r))) / (2.0 * $b + 0.1);",
        """
        real %u = log(fabs($r) + 0.2);
        return $a + %u * ($b + %u * (@~0.3 + @~0.1 * %u));
        """,
        "return $a * pow(fabs($r) + @0.2, -$b);",
        a=0.8,
        b=0.5,
    )


def _physics() -> Iterator[Idiom]:
    yield idiom(
        "mechanics",
        "drag_force kinetic range_of projectile_y free_fall damped_spring spring_force pendulum_accel terminal "
        "momentum centripetal bernoulli",
        "v t|x v|v h|vel t|u x",
        "return -$k * $v * fabs($v) + (| $g * $t | $g * $t * $t |);",
        "return 0.5 * $k * $v * $v + $g * (| $t | fabs($t) | (1.0 - cos($t)) |);",
        "return $v * $t - 0.5 * $g * $t * $t + $k;",
        "return exp(-$k * fabs($t)) * (| cos | sin |)($g * 2.0 * $t + (| $v | 0.3 |)) * (| $v | 1.0 | (1.0 + $v) |);",
        "return -$g * sin($v) - $k * $t;",
        """
        real %w = sqrt(fabs($g - $k * $k / 4.0) + 0.05);
        return exp(-0.5 * $k * $t) * ($v * cos(%w * $t) + $k * $v / (2.0 * %w) * sin(%w * $t));
        """,
        "return $t * tan($v) - $g * $t * $t / (2.0 * cos($v) * cos($v)) * $k;",
        "return sqrt($v * $v + 2.0 * $g * fabs($t) + $k);",
        g=1.6,
        k=0.4,
    )
    yield idiom(
        "optics",
        "thin_lens snell fresnel schlick reflectance lens_focal magnification airy phong specular henyey_greenstein "
        "depth_of_field",
        "u f|cos_i n|x n|theta eta",
        "return 1.0 / (1.0 / (fabs($f) + @0.4) - 1.0 / (fabs($u) + @2.5)) * $k;",
        "return $f * $k + (1.0 - $f * $k) * (| pow(fabs(1.0 - fabs($u)), 5.0) | sqr(1.0 - $u) | $u * $u |);",
        "return asin(clamp(sin($u) / (1.0 + $k + 0.5 * $f), -1.0, 1.0));",
        """
        real %c = cos($u);
        real %t = sqrt(1.0 + $k + fabs($f) - sqr(sin($u)));
        real %r = (%c - %t) / (%c + %t + 0.05);
        return %r * %r;
        """,
        """
        real %g = clamp($f * $k, -0.8, 0.8);
        return (1.0 - %g * %g) / pow(1.0 + %g * %g - 2.0 * %g * cos($u * 3.0), 1.5) * @0.3;
        """,
        "return pow(fmax(0.0, $u * @1.0 + $f * $k), (| 2.0 | 4.0 | @8.0 |));",
        k=0.5,
    )
    yield idiom(
        "kinetics",
        "arrhenius reaction_rate decay half_life monod planck vapour_pressure diffusion newton_cooling growth_rate "
        "logistic_growth boltzmann",
        "t x|temp conc|k c|T s",
        "return $a * exp(-$e / (fabs($t) + @0.7)) * (| $x | fabs($x) | (1.0 + $x) | $x * $x |);",
        "return $a * $x / ($e + fabs($x)) * (| $t | exp(-$t * $t) | (1.0 - 0.5 * $t) |);",
        "return $a / (1.0 + exp(-$e * @2.0 * ($t - $x)));",
        "return $x + ($a - $x) * exp(-$e * (| $t | fabs($t) | ($t + 1.0) |));",
        """
        real %u = fabs($x) + @0.5;
        return $a * %u * %u * %u / (exp(%u / (fabs($t) + $e + 0.2)) - 0.9);
        """,
        "return $x * pow(0.5, $t / $e) * $a;",
        a=0.9,
        e=0.8,
    )
    yield idiom(
        "relativity and waves",
        "lorentz doppler gamma_factor redshift standing_wave interference dispersion beat wave_at gerstner",
        "x t|v w|k x|beta theta",
        "return 1.0 / sqrt(1.05 - $a * $a * 0.3 * sqr(tanh($x))) * (| $t | (1.0 + $t * $b) | cos($t) |);",
        "return $a * sin(@3.0 * $x - $b * @2.0 * $t) (| + @0.4 * sin(@5.0 * $x + @1.0 * $t) |  |"
        " * exp(-@0.5 * $x * $x) |);",
        "return 2.0 * $a * (| sin | cos |)(@2.0 * $x) * (| cos | sin |)($b * @2.0 * $t);",
        "return sqrt((1.0 + $a * 0.8 * tanh($x)) / (1.0 - $b * 0.5 * tanh($t) + 0.2));",
        "return sqrt(fabs($a * $x * tanh($b * $x)) + @0.1) + @0.5 * $t;",
        a=0.7,
        b=0.9,
    )
    yield idiom(
        "flow",
        "manning reynolds_drag friction_factor orifice_flow pump_head pipe_loss darcy nozzle weir_flow lift_coeff "
        "airfoil",
        "q d|v rho|x y|flow dia",
        "return $k * fabs($q) * sqrt(2.0 * fabs($d) + $c);",
        "return $c - $k * $q * $q + @0.3 * (| $d | $d * $q | fabs($d) |);",
        """
        real %r = fabs($q) * @4.0 + @0.5;
        if (%r < @2.0)
            return $k * 2.0 / %r + $c * $d;
        return $k * pow(%r, -0.25) + $c * $d;
        """,
        "return $k * pow(fabs($q) + 0.01, 2.0 / 3.0) * sqrt(fabs($d) + $c);",
        "return 2.0 * M_PI * sin($q) * cos($d) * $k * 0.3 + $c * $d * $d;",
        k=0.7,
        c=0.2,
    )


def _circuits() -> Iterator[Idiom]:
    yield idiom(
        "circuit",
        "rc_charge divider parallel_r impedance_mag cutoff gain_at diode_current diode_v rc_lowpass_gain "
        "phase_shift mosfet_id lc_response",
        "r c|r1 r2|f q|vin r|v g",
        "return fabs($r) * fabs($c) / (fabs($r) + fabs($c) + $k);",
        "return $v * (1.0 - exp(-fabs($r) / (fabs($c) + $k)));",
        "return $v / sqrt(1.0 + sqr($k * @3.0 * $r * $c));",
        "return sqrt($r * $r + sqr($c - $k / (fabs($v) + 0.5)));",
        "return $k * (exp($v * $r) - 1.0) - @0.5 * $c;",
        "return -atan($k * @2.0 * $r / (@0.5 + $c * $c)) * $v;",
        """
        real %u = $r - $v * @0.3;
        if (%u <= 0.0)
            return 0.0;
        if ($c < %u)
            return $k * (%u * $c - 0.5 * $c * $c);
        return 0.5 * $k * %u * %u;
        """,
        """
        real %u = $r * $r - $v * $v;
        real %w = $k * $r * $c;
        return 1.0 / sqrt(%u * %u + %w * %w + @0.2);
        """,
        k=0.6,
        v=0.8,
    )


def _potentials() -> Iterator[Idiom]:
    yield idiom(
        "pair potential",
        "lennard_jones lj_energy morse buckingham yukawa coulomb screened soft_core lj_force stillinger "
        "harmonic_well double_well",
        "r|x|d|dist",
        """
        real %s = $sigma * $sigma / ($r * $r + @0.5);
        real %t = %s * %s * %s;
        return (| 4.0 * $eps * (%t * %t - %t) | $eps * (2.0 * %t * %t - %t) |
            24.0 * $eps * $r * (2.0 * %t * %t - %t) * 0.1 |);
        """,
        "return $eps * sqr(1.0 - exp(-@1.2 * ($r - $sigma))) - (| 0.0 | $eps |);",
        "return $eps * exp(-fabs($r) / $sigma) / (fabs($r) + @0.5);",
        "return $eps * ($r * $r - $sigma) * ($r * $r - $sigma) + @~0.3 * $r;",
        """
        real %e = exp(-@1.0 * (fabs($r) - $sigma));
        return $eps * (%e * %e - 2.0 * %e);
        """,
        "return -$eps / pow($r * $r + $sigma * $sigma + 0.1, (| 0.5 | 1.5 | 1.0 |));",
        sigma=0.7,
        eps=0.8,
    )
    yield idiom(
        "field",
        "potential_xy dipole field_at rosenbrock rastrigin himmelblau ackley peaks sphere_fn saddle vortex_u "
        "charge_pair booth",
        "x y|u v|a b|p q",
        "return $k * ($a - $x) * ($a - $x) + @1.5 * sqr($y - $x * $x);",
        "return $x / sqrt($x * $x + $y * $y + $a) * $k;",
        "return $k / sqrt(sqr($x - $a) + $y * $y + 0.1) - @0.5 / sqrt(sqr($x + $a) + $y * $y + 0.1);",
        "return $k * ($x * $x - $a * cos(@4.0 * $x) + $y * $y - $a * cos(@4.0 * $y));",
        "return $k * 3.0 * (1.0 - $x) * (1.0 - $x) * exp(-$x * $x - sqr($y"
        " + $a)) - @2.0 * ($x / 5.0 - $x * $x * $x) * exp(-$x * $x - $y * $y);",
        "return -@2.0 * exp(-$a * sqrt(0.5 * ($x * $x + $y * $y))) - $k * exp(0.5 * (cos(@3.0 * $x)"
        " + cos(@3.0 * $y)));",
        "return (sqr($x * $x + $y - $a) + sqr($x + $y * $y - $k)) * @0.5;",
        "return $k * log($x * $x + $y * $y + 0.05) + $a * atan2($y, $x + 1.5);",
        "return $x * $x - $k * $y * $y + $a * $x * $y;",
        a=0.5,
        k=0.7,
    )
