"""Idioms of grids and samples: differences of neighbours, edge stencils, interpolation, tables."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def grids_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _stencils()
    yield from _interpolation()


def _stencils() -> Iterator[Idiom]:
    """Differences of neighbouring samples, and interpolation in a grid."""
    yield idiom(
        "laplacian",
        "laplacian laplace5 diffuse heat_step stencil5 relax sharpen jacobi_step",
        "c n s e w|u up down left right|p00 pn ps pe pw|center top bottom left right",
        "return (| $c + $k * |  |)($n + $s + $e + $w - 4.0 * $c);",
        "return (1.0 + 4.0 * $k) * $c - $k * ($n + $s + $e + $w);",
        """
        real %t = $n + $s + $e + $w - 4.0 * $c;
        return (| fabs(%t) * $k | clamp($c + $k * %t, 0.0, 1.0) | $c + $k * %t * %t | $c + $k * tanh(%t) |);
        """,
        """
        real %a = $n - $c;
        real %b = $s - $c;
        real %u = $e - $c;
        real %v = $w - $c;
        return $c + $k * (exp(-sqr(%a)) * %a + exp(-sqr(%b)) * %b + exp(-sqr(%u)) * %u + exp(-sqr(%v)) * %v);
        """,
        k=0.25,
    )
    yield idiom(
        "gradient pair",
        "grad_mag gradient edge_strength roberts central_diff slope_mag edge2x2 hillshade",
        "l r u d|w e n s|xm xp ym yp|left right top bottom",
        """
        real %dx = (| @0.5 | $k |) * ($r - $l);
        real %dy = (| @0.5 | $k |) * ($d - $u);
        return (| sqrt(%dx * %dx + %dy * %dy) | fabs(%dx) + fabs(%dy) | atan2(%dy, %dx + @1.5) |
            fmax(fabs(%dx), fabs(%dy)) |
         1.0 / sqrt(1.0 + %dx * %dx + %dy * %dy) | %dx * @~1.0 + %dy * @~1.0 |);
        """,
        "return (| sqrt(sqr($l - $d) + sqr($r - $u)) | fabs($l - $d) + fabs($r - $u) | ($l - $d) * ($r - $u) |) * $k;",
        k=0.8,
    )
    corners = "p00 p01 p02 p10 p12 p20 p21 p22|a b c d f g h i|nw n ne w e sw s se|v0 v1 v2 v3 v5 v6 v7 v8"
    for names, side, middle in (
        ("prewitt edge_prewitt grad3", "", ""),
        ("scharr edge3x3 grad3x3", "3.0 * ", "10.0 * "),
    ):
        scale = "16.0" if side else "@2.0"
        across = f"{side}$p02 + {middle}$p12 + {side}$p22 - {side}$p00 - {middle}$p10 - {side}$p20"
        down = f"{side}$p20 + {middle}$p21 + {side}$p22 - {side}$p00 - {middle}$p01 - {side}$p02"
        yield idiom(
            "edge stencil",
            names,
            corners,
            f"real %gx = {across};\nreal %gy = {down};\nreturn (| sqrt(%gx * %gx + %gy * %gy) | fabs(%gx) + fabs(%gy) |"
            f" @0.5 * hypot(%gx, %gy) | fmax(fabs(%gx), fabs(%gy)) |) / {scale};",
            f"real %gx = ({across}) / {scale};\nreal %gy = ({down}) / {scale};\nreal %g = %gx * %gx + %gy * %gy;\n"
            "return (| %g > 1.0 ? 1.0 : %g | clamp(sqrt(%g), 0.0, $k) | %g / (%g + $k) | exp(-%g / $k) |"
            " atan2(%gy, %gx) |);",
            k=0.7,
        )
    window = " ".join(f"p{i}" for i in range(9)) + "|" + " ".join(f"v{i}" for i in range(9)) + "|a b c d e f g h i"
    nine = [f"$p{i}" for i in range(9)]
    for half, names in (
        (True, "grad_x deriv_x horizontal_edge"),
        (False, "convolve3 kernel3x3 filter3x3 blur3 emboss"),
    ):
        mask = "-@1.0, 0.0, @1.0, -@2.0, 0.0, @2.0, -@1.0, 0.0, @1.0" if half else ", ".join("@~1.0" for _ in nine)
        yield idiom(
            "window of nine",
            names,
            window,
            f"const real %k[9] = {{{mask}}};\nconst real %v[9] = {{{', '.join(nine)}}};\nreal %s = 0.0;\n"
            "for (int %i = 0; %i < 9; %i++)\n    %s += %k[%i] * %v[%i];\n"
            "return (| %s | fabs(%s) | clamp(%s, 0.0, 1.0) | tanh(%s) | %s / (1.0 + fabs(%s)) |"
            " sqrt(%s * %s + @0.1) |);",
            "real %u = (| sqr($p0 - $p8) + sqr($p1 - $p7) | fabs($p0 - $p8) + @1.0 * fabs($p1 - $p7) |);\n"
            "real %v = (| sqr($p2 - $p6) + sqr($p3 - $p5) | fabs($p2 - $p6) + @1.0 * fabs($p3 - $p5) |);\n"
            "return (| sqrt(%u + %v + 0.01) | @0.5 * (%u - %v) + @0.3 * $p4 | fmax(%u, %v) * @0.5 + @0.5 * $p4 |"
            " $p4 / (1.0 + %u + %v) |);",
        )
    yield idiom(
        "grid interpolation",
        "bilinear bilerp interp2 sample_bilinear tex2d grid_interp",
        "p00 p10 p01 p11 u v|a b c d x y|q11 q21 q12 q22 tx ty|v00 v10 v01 v11 fx fy",
        """
        real %a = $p00 + ($p10 - $p00) * $u;
        real %b = $p01 + ($p11 - $p01) * $u;
        return %a + (%b - %a) * $v;
        """,
        "return $p00 * (1.0 - $u) * (1.0 - $v) + $p10 * $u * (1.0 - $v) + $p01 * (1.0 - $u) * $v + $p11 * $u * $v;",
        """
        real %u = (| $u * $u * (3.0 - 2.0 * $u) | clamp($u, 0.0, 1.0) | 0.5 - 0.5 * cos(M_PI * $u) | 0.5 * $u + 0.5 |);
        real %v = (| $v * $v * (3.0 - 2.0 * $v) | clamp($v, 0.0, 1.0) | 0.5 - 0.5 * cos(M_PI * $v) | 0.5 * $v + 0.5 |);
        return lerp(lerp($p00, $p10, %u), lerp($p01, $p11, %u), %v);
        """,
    )


def _interpolation() -> Iterator[Idiom]:
    yield idiom(
        "smoothstep",
        "smoothstep smootherstep smooth_step fade blend_factor soft_threshold ramp edge_blend",
        "x|t|v|d",
        """
        real %t = clamp(($x - $edge0) / ($edge1 - $edge0 + 0.01), 0.0, 1.0);
        return (| %t * %t * (3.0 - 2.0 * %t) | %t * %t * %t * (%t * (6.0 * %t - 15.0) + 10.0) | sqr(%t) | sqrt(%t) |);
        """,
        """
        real %t = ($x - $edge0) / ($edge1 - $edge0 + 0.01);
        if (%t <= 0.0)
            return 0.0;
        if (%t >= 1.0)
            return 1.0;
        return %t * %t * (3.0 - 2.0 * %t);
        """,
        edge0=0.1,
        edge1=0.9,
    )
    yield idiom(
        "remap",
        "lerp remap map_range mix rescale normalize lin_interp interpolate fmap scale_value",
        "a b t|x y t|v0 v1 f|from to frac|lo hi t",
        "return (| $a + ($b - $a) * $t | (1.0 - $t) * $a + $t * $b | $a * (1.0 - $t * $t) + $b * $t * $t |) + $off;",
        "return $off + ($a - $b) * (| (1.0 - cos($t * M_PI)) / 2.0 | $t * $t * (3.0 - 2.0 * $t) | sqrt(fabs($t)) |"
        " pow(fabs($t), $g) |);",
        """
        real %u = clamp($t, 0.0, 1.0);
        real %w = (| %u | %u * %u | pow(%u, $g) | 0.5 - 0.5 * cos(%u * M_PI) |);
        return lerp($a, $b, %w) + $off;
        """,
        "return ($t - $a) / ($b - $a + (| 3.0 | @4.0 |)) * $g + $off;",
        off=0.2,
        g=1.5,
    )
    yield idiom(
        "cubic interpolation",
        "cubic_interp hermite catmull_rom hermite4 interp4 bezier bspline cubic_bezier spline4 lagrange4 warren",
        "p0 p1 p2 p3 t|y0 y1 y2 y3 mu|a b c d t|xm1 x0 x1 x2 frac|v0 v1 v2 v3 x",
        """
        real %a = -0.5 * $p0 + 1.5 * $p1 - 1.5 * $p2 + 0.5 * $p3;
        real %b = $p0 - 2.5 * $p1 + 2.0 * $p2 - 0.5 * $p3;
        real %c = $k * ($p2 - $p0);
        return ((%a * $t + %b) * $t + %c) * $t + $p1;
        """,
        """
        real %a = $p3 - $p2 - $p0 + $p1;
        real %b = $p0 - $p1 - %a;
        real %u = $t * $t;
        return %a * $t * %u + %b * %u + $k * ($p2 - $p0) * $t + $p1;
        """,
        """
        real %u = 1.0 - $t;
        return (%u * %u * %u * $p0 + 3.0 * %u * %u * $t * $p1 + 3.0 * %u * $t * $t * $p2 + $t * $t * $t * $p3) * $k;
        """,
        """
        real %u = $t * $t;
        real %v = %u * $t;
        return ((1.0 - 3.0 * $t + 3.0 * %u - %v) * $p0 + (4.0 - 6.0 * %u + 3.0 * %v) * $p1 + (1.0 + 3.0 * ($t
            + %u - %v)) * $p2
                + %v * $p3) * $k / 3.0;
        """,
        """
        real %a = ($p2 - $p0) * $k;
        real %b = ($p3 - $p1) * $k;
        return $p1 * (2.0 * $t * $t * $t - 3.0 * $t * $t + 1.0) + %a * ($t * $t * $t - 2.0 * $t * $t + $t)
               + $p2 * (3.0 * $t * $t - 2.0 * $t * $t * $t) + %b * ($t * $t * $t - $t * $t);
        """,
        k=0.5,
    )
    yield idiom(
        "bezier",
        "quad_bezier bezier2 bezier_x conic_eval rational_bezier",
        "p0 p1 p2 t|a b c t|x0 x1 x2 u",
        "return (1.0 - $t) * (1.0 - $t) * $p0 + 2.0 * (1.0 - $t) * $t * $p1 + $t * $t * $p2;",
        """
        real %u = 1.0 - $t;
        real %n = %u * %u * $p0 + 2.0 * $w * %u * $t * $p1 + $t * $t * $p2;
        return %n / (%u * %u + 2.0 * $w * fabs(%u * $t) + $t * $t);
        """,
        """
        real %a = lerp($p0, $p1, $t);
        real %b = lerp($p1, $p2, $t);
        return $w * lerp(%a, %b, $t);
        """,
        w=0.7,
    )
    yield idiom(
        "table lookup",
        "lookup table_interp lut_linear calibrate piecewise curve_eval interp_table gain_curve",
        "x|v|adc|input",
        """
        static const real %table[] = {@~1.0, @~1.0, @0.5, @~1.0, @0.8, @~1.0, @0.3, @~1.0};
        real %u = (clamp($x, -1.0, 1.0) + 1.0) * 3.5 - 1e-4;
        int %i = (int)(| %u | floor(fmax(%u, 0.0)) |);
        if (%i < 0)
            %i = 0;
        if (%i > 6)
            %i = 6;
        return %table[%i] + (%u - %i) * (%table[%i + 1] - %table[%i]) * $g;
        """,
        """
        if ($x < -@0.7)
            return @~1.0 + @0.4 * $x;
        if ($x < @0.2)
            return $g * $x * $x;
        if ($x < @0.8)
            return @~1.0 - $g * $x;
        return $g * $x + @~0.5;
        """,
        g=1.2,
    )
