"""Idioms of colours and of neural networks: luma, blending, gamma, activations."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def colours_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _colours()
    yield from _activations()


def _colours() -> Iterator[Idiom]:
    rgb = "r g b|red green blue|R G B|c0 c1 c2"
    yield idiom(
        "colour",
        "luma luminance grey to_gray rgb_to_y brightness saturation chroma rgb_hue cb_from_rgb hsl_l value_of tint "
        "sepia_r",
        rgb,
        "return (| 0.299 | 0.2126 | @0.3 |) * $r + (| 0.587 | 0.7152 | @0.5 |) * $g + (| 0.114 | 0.0722 |"
        " @0.1 |) * $b (| + $bias |  | - @0.3 * $r * $g |);",
        "return $bias - 0.168736 * $r - 0.331264 * $g + (| 0.5 | @0.5 |) * $b;",
        """
        real %a = fmax($r, fmax($g, $b));
        real %b = fmin($r, fmin($g, $b));
        real %d = %a - %b;
        return (| 0.5 * (%a + %b) + $bias | %d / (fabs(%a) + $eps) |
            %d / (1.0 - fabs(0.5 * (%a + %b)) + $eps + 0.5) | %d * $bias |);
        """,
        """
        real %a = 2.0 * $r - $g - $b;
        real %b = (| 1.7320508 | sqrt(3.0) |) * ($g - $b);
        return (| atan2(%b, %a + 2.0) | sqrt(%a * %a + %b * %b + $eps) | %a / (sqrt(%a * %a + %b * %b) + $eps) |);
        """,
        """
        real %y = 0.299 * $r + 0.587 * $g + 0.114 * $b;
        return (| %y + ($r - %y) * @1.5 | sqrt(fabs(%y)) | pow(fabs(%y), 1.0 / 2.2) |
            clamp(%y * @1.5 + $bias, 0.0, 1.0) | ($b - %y) / @1.8 |);
        """,
        "return clamp(@0.4 * $r + @0.7 * $g + @0.2 * $b + $bias, 0.0, 1.0);",
        bias=0.1,
        eps=0.2,
    )
    yield idiom(
        "blend mode",
        "blend_multiply blend_screen overlay soft_light hard_light color_dodge exclusion alpha_over burn composite "
        "vivid_light",
        "a b|src dst|base blend|s d|top bottom",
        "return (| $a * $b | 1.0 - (1.0 - $a) * (1.0 - $b) | $a + $b - 2.0 * $a * $b | fabs($a - $b) |"
        " fmin($a, $b) | $a + $b - @1.0 * $a * $b |) * $op;",
        """
        if ($a < (| 0.5 | 0.0 | @0.4 |))
            return 2.0 * $a * $b * $op;
        return $op * (1.0 - 2.0 * (1.0 - $a) * (1.0 - $b));
        """,
        "return $op * ((1.0 - 2.0 * $b) * $a * $a + 2.0 * $b * $a) + (1.0 - $op) * $a;",
        "return clamp($a / (1.0 - $op * $b + 0.1), 0.0, 1.0);",
        """
        real %r = $a <= 0.5 ? 2.0 * $a * $b : 1.0 - 2.0 * (1.0 - $a) * (1.0 - $b);
        return $b + (%r - $b) * $op;
        """,
        "return $a * $op + $b * (1.0 - $op) (| + $a * $b |  |);",
        "return $b > 0.5 ? $a + @2.0 * ($b - 0.5) * $op : $a - @1.5 * (0.5 - $b) * $op;",
        op=0.7,
    )
    yield idiom(
        "gamma",
        "srgb_to_linear linear_to_srgb gamma_correct apply_gamma degamma tonemap reinhard filmic aces "
        "exposure_curve contrast levels",
        "x|c|v|lum|u",
        """
        if ($x <= 0.04045)
            return $x / 12.92;
        return pow(($x + 0.055) / 1.055, $g);
        """,
        """
        real %v = fabs($x);
        return (| pow(%v, 1.0 / $g) | %v / (%v + $k) |
            %v <= 0.0031308 ? 12.92 * %v : 1.055 * pow(%v, 1.0 / $g) - 0.055 | 1.0 - exp(-%v * $g) |);
        """,
        """
        real %v = fmax($x - 0.004, 0.0) * $k;
        return (%v * (6.2 * %v + 0.5)) / (%v * (6.2 * %v + 1.7) + 0.06);
        """,
        "return clamp(($x * ($g * $x + 0.03)) / ($x * ($g * $x + 0.59) + $k), 0.0, 1.0);",
        "return ($x - 0.5) * (| $g | tan(($k + 0.3) * M_PI / 4.0) |) + 0.5 + $k * @0.2;",
        "return 0.5 + 0.5 * sign($x) * pow(fabs($x), $g);",
        g=2.2,
        k=0.3,
    )


def _activations() -> Iterator[Idiom]:
    yield idiom(
        "activation",
        "relu leaky_relu sigmoid gelu swish silu elu selu softplus softsign mish hard_sigmoid tanh_act activate "
        "dsigmoid",
        "x|z|a|v|net",
        "return (| fmax(0.0, $x) | fmax($x, $k * $x) | log(1.0 + exp($b * $x)) | $x / (1.0 + fabs($b * $x)) |"
        " $x * tanh(log(1.0 + exp($b * $x))) |) + $k;",
        "return (| $b | @1.0 |) / (1.0 + exp(-(@1.5 * $x + $k)));",
        "return 0.5 * $x * (1.0 + tanh((| 0.7978845608 | $b |) * ($x + (| 0.044715 | $k |) * $x * $x * $x)));",
        """
        if ($x > 0.0)
            return $b * $x;
        return $k * (exp($x) - 1.0);
        """,
        "return $x > 0.0 ? $b * $x : $k * $x (| * @0.5 | * fabs($x) |);",
        "return $x * sigmoid($b * $x + $k);",
        """
        real %s = sigmoid($b * $x);
        return (| %s * (1.0 - %s) | %s * $x + $k | 2.0 * %s - 1.0 + $k | %s * %s |);
        """,
        "return clamp((| 0.2 | $k |) * $x + 0.5, 0.0, (| 1.0 | @0.6 |)) * $b;",
        "return (| erf($b * $x) | 1.0 - sqr(tanh($b * $x)) | $x * 0.5 * erfc(-$b * $x) | exp(-$b * $x * $x) |) + $k;",
        b=1.3,
        k=0.1,
    )
