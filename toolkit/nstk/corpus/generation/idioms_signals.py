"""Idioms of signals: easing, windows, waveforms, filters, clipping, controllers."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def signals_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _easing()
    yield from _signals()
    yield from _filters()


def _easing() -> Iterator[Idiom]:
    time = "t|x|p|k|progress"
    yield idiom(
        "easing",
        "ease_in ease_out ease_in_out easeInOutQuad easeOutCubic quart_in ease_quint ease_expo ease_sine easing",
        time,
        "return (| $t * $t | $t * $t * $t | $t * (2.0 - $t) | 1.0 - cos($t * M_PI / 2.0) |"
        " sqr($t) * sqr($t) |) * $span + $start;",
        """
        if ($t < 0.5)
            return @2.0 * $t * $t (|  | * $t | * $t * $t |) + $start;
        real %u = -2.0 * $t + 2.0;
        return $start + $span - %u * %u (|  | * %u |) / 2.0;
        """,
        """
        real %t = $t - 1.0;
        return $span * (| (%t * %t * %t + 1.0) | sqrt(fabs(1.0 - %t * %t)) | (1.0 - %t * %t * %t * %t) |) + $start;
        """,
        "return $span * (| pow(2.0, @5.0 * ($t - 1.0)) | (1.0 - pow(2.0, -@4.0 * $t)) * @0.2 |"
        " 0.5 * (1.0 - cos(M_PI * $t)) |) + $start;",
        "return ($t < 0.5 ? 4.0 * $t * $t * $t : 1.0 - pow(-2.0 * $t + 2.0, 3.0) / 2.0) * $span;",
        start=0.1,
        span=0.8,
    )
    yield idiom(
        "easing with overshoot",
        "ease_back back_in back_out ease_elastic elastic_out spring bounce_out bounce ease_bounce",
        time,
        "return $t * $t * (($s + 1.0) * $t - $s);",
        """
        real %t = $t - 1.0;
        return %t * %t * (($s + 1.0) * %t + $s) + 1.0;
        """,
        "return (| pow(2.0, -@4.0 * $t) * @0.2 | exp(-@1.5 * $t) * @0.5 |) * sin(($t - $s) * 2.0 * M_PI / @0.8) + 1.0;",
        """
        real %t = fabs($t);
        if (%t < 1.0 / 2.75)
            return 7.5625 * %t * %t * $s;
        if (%t < 2.0 / 2.75) {
            %t -= 1.5 / 2.75;
            return (7.5625 * %t * %t + 0.75) * $s;
        }
        %t -= 2.25 / 2.75;
        return (7.5625 * %t * %t + 0.9375) * $s;
        """,
        s=1.7,
    )


def _signals() -> Iterator[Idiom]:
    yield idiom(
        "window function",
        "hann hamming blackman nuttall welch gauss_window flattop kaiser_approx window_at parzen raised_cosine "
        "bartlett",
        "x|t|n|pos",
        "return $a - (1.0 - $a) * cos((| 2.0 | @1.6 | @1.2 |) * M_PI * $x);",
        "return 0.42 - 0.5 * cos($k * M_PI * $x) + 0.08 * cos(2.0 * $k * M_PI * $x) (|  | * $a |);",
        """
        real %t = ($x - $a) / $k;
        return (| exp(-0.5 * %t * %t) | fmax(0.0, 1.0 - %t * %t) | fmax(0.0, 1.0 - fabs(%t)) | sqr(cos(%t)) |);
        """,
        """
        real %u = fabs($x) * $k;
        if (%u <= 0.5)
            return 1.0 - 6.0 * %u * %u * (1.0 - %u);
        if (%u >= 1.0)
            return 0.0;
        return 2.0 * (1.0 - %u) * (1.0 - %u) * (1.0 - %u) (|  | * $a |);
        """,
        "return $a * (1.0 + cos($k * M_PI * $x)) / (1.0 + (| $x * $x | fabs($x) |));",
        a=0.54,
        k=1.4,
    )
    yield idiom(
        "sinc",
        "sinc lanczos mitchell cubic_kernel resample_kernel sinc_pi bicubic_weight filter_kernel",
        "x|t|d",
        """
        if (fabs($x) < 1e-4)
            return $a;
        return $a * sin($b * M_PI * $x) / ($b * M_PI * $x);
        """,
        """
        real %x = fabs($b * $x) + 1e-4;
        if (%x > 2.0)
            return 0.0;
        return sin(M_PI * %x) * sin(M_PI * %x / 2.0) / (M_PI * M_PI * %x * %x / 2.0) (|  | * $a |);
        """,
        """
        real %x = fabs($x * 2.0) * $b;
        if (%x < 1.0)
            return ((2.0 - $a) * %x - (3.0 - $a)) * %x * %x + 1.0;
        if (%x < 2.0)
            return (((-$a) * %x + 5.0 * $a) * %x - 8.0 * $a) * %x + 4.0 * $a;
        return 0.0;
        """,
        a=0.6,
        b=1.2,
    )
    yield idiom(
        "waveform",
        "triangle_wave saw_wave square_wave pulse sine_osc lfo osc tri_lfo soft_square wave chirp am_signal fm_osc",
        "t|phase|x|time",
        """
        real %p = $t * $freq - floor($t * $freq);
        return (| 2.0 * %p - 1.0 | 4.0 * fabs(%p - 0.5) - 1.0 | %p < @0.5 ? 1.0 : -1.0 | sin(2.0 * M_PI * %p) |
            %p * (1.0 - %p) |) * $amp;
        """,
        "return $amp * sin($freq * M_PI * $t + (| @0.3 | @0.5 | @0.5 * sin(@3.0 * $t) | @1.0 * $t * $t |));",
        "return $amp * (sin($freq * $t) + sin(3.0 * $freq * $t) / 3.0 (| + sin(5.0 * $freq * $t) / 5.0 |  |));",
        "return $amp * tanh(@3.0 * sin($freq * M_PI * $t));",
        """
        real %s = 0.0;
        for (int %i = 1; %i <= (| 3 | 4 | 5 | 6 |); %i++)
            %s += (| sin | cos |)(%i * $freq * $t) / (| %i | (%i * %i) |);
        return $amp * %s;
        """,
        "return $amp * (1.0 + @0.5 * cos(@2.0 * $t)) * sin($freq * M_PI * $t);",
        "return (| 2.0 / M_PI | $amp |) * asin(sin($freq * M_PI * $t));",
        "return $amp * fmod(fabs($t) * $freq, @0.7);",
        "return $amp * exp(-@1.0 * fabs($t)) * cos(@3.0 * $freq * $t);",
        freq=2.0,
        amp=0.7,
    )


def _filters() -> Iterator[Idiom]:
    yield idiom(
        "one pole filter",
        "one_pole lowpass smooth ema leaky_integrator highpass slew envelope_follower dc_block ewma complementary",
        "x y1|in last|sample state|input prev|x z1",
        "return $y1 + $alpha * ($x - $y1);",
        "return (1.0 - $alpha) * (| $x | fabs($x) | $x * $x | tanh($g * $x) |) + $alpha * $y1;",
        "return $alpha * ($y1 + $x - (| $g | @0.3 |) * $x * $y1);",
        """
        real %d = $x - $y1;
        if (%d > $alpha)
            %d = $alpha;
        else if (%d < -$alpha)
            %d = -$alpha;
        return $y1 + %d (|  | * $g |);
        """,
        """
        real %e = fabs($x);
        real %c = (| %e > $y1 ? $alpha : $g | exp(-1.0 / ($g + @1.0)) |);
        return %e + %c * ($y1 - %e);
        """,
        """
        real %y = $y1;
        for (int %i = 0; %i < (| 2 | 3 | 4 | 8 |); %i++)
            %y += $alpha * ($x * $g - %y);
        return %y;
        """,
        alpha=0.25,
        g=0.8,
    )
    yield idiom(
        "biquad",
        "biquad biquad_tick filter2 resonator svf_step iir2 df1 allpass peak_eq two_pole",
        "x x1 x2 y1 y2|in xm1 xm2 ym1 ym2|x z1 z2 z3 z4",
        "return $b0 * $x + @0.4 * $x1 + @0.2 * $x2 - $a1 * $y1 - @0.3 * $y2;",
        """
        real %w = $x - $a1 * $y1 - @0.2 * $y2;
        return $b0 * %w + @0.5 * $x1 + (| @0.2 * $x2 | @0.2 * ($x2 - $x1) |);
        """,
        """
        const real %b[3] = {@0.3, @0.5, @0.3};
        const real %a[2] = {-@0.9, @0.4};
        real %y = %b[0] * $x + %b[1] * $x1 + %b[2] * $x2;
        %y -= %a[0] * $y1 + %a[1] * $y2;
        return (| %y | tanh($b0 * %y) | clamp(%y, -$b0, $b0) | %y * $a1 |);
        """,
        "return $b0 * ($x + 2.0 * $x1 + $x2) / 4.0 - $a1 * (| $y1 | tanh($y1) |) - @0.2 * (| $y2 | $y2 * fabs($y1) |);",
        b0=0.6,
        a1=0.5,
    )
    yield idiom(
        "soft clip",
        "soft_clip waveshape distort saturate overdrive fuzz drive limiter cubic_clip fold foldback softclip "
        "compress gate",
        "x|in|sample|s|v",
        """
        if ($x > $th)
            return $th + ($x - $th) / (1.0 + sqr(($x - $th) / (1.1 - (| 0.3 | 0.5 * $th |))));
        if ($x < -$th)
            return -$th;
        return $x (| * @1.0 | + @0.2 * $x * $x |);
        """,
        "return (| $g * $x / (1.0 + fabs($g * $x)) | tanh($g * $x) | 2.0 / M_PI * atan($g * $x) |"
        " $x * (1.5 - 0.5 * $g * $x * $x) |) + $th;",
        """
        real %v = clamp($g * $x, -1.0, 1.0);
        return (1.5 * %v - 0.5 * %v * %v * %v) * $th;
        """,
        "return $x * (fabs($x) + $g) / ($x * $x + ($g - 0.2) * fabs($x) + 1.0) * @1.0;",
        """
        real %v = $x * $g;
        if (%v > $th || %v < -$th)
            %v = fabs(fabs(fmod(%v - $th, $th * 4.0)) - $th * 2.0) - $th;
        return %v;
        """,
        """
        real %a = fabs($x);
        real %y = %a;
        if (%a > $th)
            %y = $th + (%a - $th) / (| 4.0 | @3.0 | ($g + 1.0) |);
        return $x < 0.0 ? -%y : %y;
        """,
        "return (| sign($x) * (1.0 - exp(-$g * fabs($x))) | sin($g * $x) * (1.0 - $th * $x * $x) |"
        " $x / sqrt(1.0 + $g * $x * $x) |);",
        """
        if (fabs($x) < $th)
            return 0.0;
        return $g * ($x - sign($x) * $th);
        """,
        th=0.4,
        g=2.0,
    )
    yield idiom(
        "controller",
        "pid pid_step controller_output p_control pd_control servo_cmd throttle feedback pi_update steer",
        "error integral derivative|e sum_e last_e|err i_term d_term|p i d",
        "return clamp($kp * $error + $ki * $integral + $kd * $derivative, -1.0, 1.0);",
        """
        real %u = $kp * $error + $ki * $integral + $kd * ($error - $derivative);
        if (%u > 1.0)
            return 1.0;
        if (%u < -1.0)
            return -1.0;
        return %u;
        """,
        """
        real %u = $kp * (| $error | $error * fabs($error) | tanh($error) |) + $ki * $integral;
        if (fabs($error) > @0.5)
            %u -= $ki * $integral;
        return %u - $kd * $derivative;
        """,
        kp=1.2,
        ki=0.4,
        kd=0.2,
    )
    yield idiom(
        "clamp and dead zone",
        "deadzone dead_band apply_deadzone expo_curve joystick stick_curve clip_range constrain_value wrap_angle "
        "wrap saturation",
        "x|v|value|stick|axis",
        """
        if ((| fabs($x) < $dz | $x > -$dz && $x < $dz |))
            return 0.0;
        return (| ($x - sign($x) * $dz) / (1.0 - $dz * 0.5) | $x * $k | $k * $x * fabs($x) |);
        """,
        "return $k * $x * $x * $x + (1.0 - $k) * $x (| + $dz | * (1.0 - $dz) |);",
        """
        real %v = $x * @2.0;
        real %w = fabs($k) + 0.1;
        while (%v > %w)
            %v -= 2.0 * %w;
        while (%v < -%w)
            %v += 2.0 * %w;
        return %v + $dz;
        """,
        "return (| fmin(fmax($x * @2.0, -$k), $dz) | fmax(-$dz, fmin($k * $x, 0.3)) |"
        " fmin($x * $k, $x * $x + $dz) | fmax($x, $k * $x * $x) - $dz |);",
        dz=0.2,
        k=0.6,
    )
