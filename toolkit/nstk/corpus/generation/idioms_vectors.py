"""Idioms of vectors: distances, kernels, norms, dot products, weighted sums, means, extremes."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom

_AXES = ("x", "y", "z", "w")
_MANY = "abcdefghk"


def vectors_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    for n in range(1, 5):
        yield from _distances(n)
    for n in range(2, 10):
        yield from _sums(n)
    for n in (2, 3, 4):
        yield from _products(n)


def _distances(n: int) -> Iterator[Idiom]:
    """Distances of two points with `n` coordinates each; the plain euclidean one only where weights are not needed."""
    axes = _AXES[:n]
    ends = (("x1", "x2"), ("ax", "bx"), ("x0", "x1"), ("px", "qx"), ("xa", "xb"))
    rows = []
    for first, second in ends:
        points = [[end.replace("x", axis) for axis in axes] for end in (first, second)]
        rows.append(" ".join(points[0] + points[1]))
    inputs = "|".join(rows)
    pairs = [(f"${axis}1", f"${axis}2") for axis in axes]
    declared = "\n".join(f"real %d{axis} = {p} - {q};" for axis, (p, q) in zip(axes, pairs, strict=True)) + "\n"
    turned = "\n".join(f"real %d{axis} = {q} - {p};" for axis, (p, q) in zip(axes, pairs, strict=True)) + "\n"
    d = [f"%d{axis}" for axis in axes]
    squares = _join([f"(| {v} * {v} | sqr({v}) |)" if n != 3 else f"@1.2 * {v} * {v}" for v in d])
    weighted = _join([f"@1.0 * {v} * {v}" for v in d])
    absolute = _join([f"fabs({v})" for v in d])
    largest = d[0] if n == 1 else f"fabs({d[0]})"
    for v in d[1:]:
        largest = f"fmax({largest}, fabs({v}))"
    if n == 1:
        largest = f"fabs({d[0]})"
    yield idiom(
        "distance",
        "dist distance weighted_distance metric calc_dist euclid dist_w",
        inputs,
        f"{declared}return sqrt({weighted});",
        f"{turned}real %s = {weighted};\nreturn $k * sqrt(%s + $eps);",
        f"{declared}return sqrt({squares} + $eps * $eps);",
        f"{declared}return $k * (sqrt({squares} + $eps) - @0.5);",
        eps=0.1,
        k=0.8,
    )
    yield idiom(
        "squared distance",
        "dist2 dist_sq sqdist distance_squared len2",
        inputs,
        f"{declared}return {squares};",
        f"{turned}return @0.5 * ({weighted});",
        f"{declared}return ({squares}) / (| {n}.0 | $scale |);",
        scale=2.0,
    )
    yield idiom(
        "manhattan distance",
        "manhattan l1_dist city_block taxicab chebyshev linf_dist octile",
        inputs,
        f"{declared}return {absolute};",
        f"{declared}return {largest};",
        f"{declared}return $k * ({absolute}) + (1.0 - $k) * {largest};",
        "return " + _join([f"(| fabs({p} - {q}) | @1.0 * fabs({p} - {q}) |)" for p, q in pairs]) + ";",
        k=0.6,
    )
    yield idiom(
        "kernel",
        "rbf rbf_kernel gauss_kernel similarity affinity falloff kernel inv_quadric",
        inputs,
        f"{declared}return exp(-$gamma * ({squares}));",
        f"{declared}real %r = {squares};\nreturn (| exp(-%r / (2.0 * $gamma * $gamma + 0.1)) |"
        " 1.0 / (1.0 + $gamma * %r) | sqrt(1.0 + $gamma * $gamma * %r) | 1.0 / sqrt(%r + $gamma * $gamma + 0.1) |);",
        gamma=0.8,
    )
    if n > 1:
        yield idiom(
            "minkowski",
            "minkowski lp_dist pnorm_dist",
            inputs,
            f"{declared}real %p = 1.0 + fabs($p);\nreturn pow({_join([f'pow(fabs({v}), %p)' for v in d])}, 1.0 / %p);",
            f"{declared}return cbrt({_join([f'fabs({v} * {v} * {v})' for v in d])});",
            p=2.0,
        )
        dots = _join([f"{p} * {q}" for p, q in pairs])
        norms = [_join([f"{pair[k]} * {pair[k]}" for pair in pairs]) for k in (0, 1)]
        yield idiom(
            "angle between vectors",
            "cos_angle cosine_similarity angle_between vec_angle vector_cos",
            inputs,
            f"real %d = {dots};\nreal %n = sqrt(({norms[0]}) * ({norms[1]}));\n"
            "return (| acos(clamp(%d / (%n + 1e-6), -1.0, 1.0)) | %d / (%n + $eps) |);",
            f"real %a = sqrt({norms[0]});\nreal %b = sqrt({norms[1]});\nreturn ({dots}) / (%a * %b + $eps);",
            eps=0.01,
        )
        yield idiom(
            "dot product",
            "dot dot_product vdot inner scalar_product proj_len",
            inputs,
            f"return {dots};",
            "real %s = 0.0;\n" + "\n".join(f"%s += {p} * {q};" for p, q in pairs) + "\nreturn $scale * %s;",
            f"return ({dots}) / sqrt({norms[1]} + $eps);",
            scale=0.5,
            eps=0.1,
        )


def _sums(n: int) -> Iterator[Idiom]:
    """Norms, means and weighted sums of `n` values."""
    inputs = _numbered(n)
    x = [f"$x{i}" for i in range(n)]
    table = ", ".join("@~1.0" for _ in x)
    listed = ", ".join(x)
    squares = _join([f"{v} * {v}" for v in x])
    total = _join(x)
    yield idiom(
        "weighted sum",
        "weighted_sum neuron perceptron linear predict score fir mix_channels wsum activation eval_linear",
        inputs,
        "return " + _join([f"@~1.0 * {v}" for v in x]) + " + $bias;",
        f"const real %w[] = {{{table}}};\nconst real %v[] = {{{listed}}};\nreal %s = $bias;\n"
        f"for (int %i = 0; %i < {n}; %i++)\n    %s += %w[%i] * %v[%i];\nreturn %s;",
        "real %s = $bias;\n"
        + "\n".join(f"%s += @~1.0 * {v};" for v in x)
        + "\nreturn (| %s | tanh(%s) | sigmoid(%s) |);",
        "real %s = " + _join([f"{v} * @~1.5" for v in x]) + ";\nreturn (| fmax(0.0, %s + $bias) | tanh(%s + $bias) |"
        " sigmoid(%s) | sin(%s + $bias) | clamp(%s, 0.0, 1.0) | exp(-%s * %s) |);",
        f"real %w[{n}] = {{{table}}};\nreal %v[{n}] = {{{listed}}};\nint %i;\nreal %s = 0.0;\n"
        f"for (%i = 0; %i < {n}; ++%i) {{\n    %s += %w[%i] * %v[%i];\n}}\n"
        "return (| %s + $bias | 1.0 / (1.0 + exp(-%s - $bias)) | sin(%s) + $bias |);",
        bias=0.2,
    )
    yield idiom(
        "norm",
        "norm length magnitude vec_len rms norm2 energy hypot_n loudness",
        inputs,
        f"return sqrt({squares} + $eps);",
        f"return sqrt(({squares}) / {n}.0);",
        "return sqrt(" + _join([f"@1.0 * {v} * {v}" for v in x]) + ");",
        "real %s = "
        + _join([f"fabs({v})" for v in x])
        + ";\nreturn (| %s / @3.0 | log(1.0 + %s) | %s / (%s + $eps) |);",
        "real %s = $eps;\n" + "\n".join(f"%s += sqr({v});" for v in x) + "\nreturn (| sqrt(%s) | 1.0 / sqrt(%s + 0.1) |"
        " log(%s + 0.1) | 10.0 * log10(%s + 0.5) | cbrt(%s) |);",
        eps=0.05,
    )
    yield idiom(
        "mean and variance",
        "mean variance stddev std_of var avg average cv sample_std geo_mean harmonic rms_dev",
        inputs,
        f"real %a = ({total}) / {n}.0;\nreal %s = "
        + _join([f"(| sqr({v} - %a) | ({v} - %a) * ({v} - %a) |)" for v in x])
        + f";\nreturn (| sqrt(%s / {n}.0) | %s / {max(n - 1, 1)}.0 | %a / (sqrt(%s) + $eps) | %a + $k * sqrt(%s) |);",
        f"const real %v[{n}] = {{{listed}}};\nreal %a = 0.0, %b = 0.0;\nfor (int %i = 0; %i < {n}; %i++) {{\n"
        f"    %a += %v[%i];\n    %b += %v[%i] * %v[%i];\n}}\n%a /= {n}.0;\n"
        f"return (| %b / {n}.0 - %a * %a | sqrt(fabs(%b / {n}.0 - %a * %a)) |"
        f" %a + $k * %b | %a / sqrt(%b + $eps) |);",
        eps=0.1,
        k=0.5,
    )
    yield idiom(
        "softmax",
        "softmax softmax0 logsumexp lse soft_max smooth_max attention",
        inputs,
        "real %s = " + _join([f"exp($k * {v})" for v in x]) + ";\nreturn (| log(%s) | log(%s) / $k |"
        f" exp($k * {x[0]}) / %s | ({_join([f'{v} * exp($k * {v})' for v in x])}) / %s |);",
        k=1.5,
    )
    extreme = x[0]
    other = x[0]
    for v in x[1:]:
        extreme, other = f"fmax({extreme}, {v})", f"fmin({other}, {v})"
    yield idiom(
        "extremes",
        "max_of min_of range_of peak spread contrast clamp_sum dynamic_range",
        inputs,
        f"real %a = {extreme};\nreal %b = {other};\nreturn (| %a - %b | (%a - %b) / (fabs(%a + %b) + $k) | %a * %b |"
        " $k * %a + (1.0 - $k) * %b | %a + $k * %b |);",
        f"real %r = {x[0]};\n"
        + "\n".join(f"if ({v} (| > | < |) %r)\n    %r = {v};" for v in x[1:])
        + "\nreturn (| $k * %r | %r + $k | %r * %r | exp(%r) | tanh(%r / $k) |);",
        f"return (| {extreme} | {other} |) * @1.0 + $k * ({total});",
        k=0.5,
    )
    if n <= 6:
        low = "".join(f"fmin(fmax({v}, 0.0), 1.0)" if v == x[-1] else "" for v in x)
        yield idiom(
            "polynomial in several variables",
            "poly quadratic_form surface poly_fit response bilinear_fit cross_terms",
            inputs,
            "return $c + " + _join([f"@~1.0 * {p} * {q}" for p, q in zip(x, [*x[1:], x[0]], strict=True)]) + ";",
            "return " + _join([f"@~1.0 * {v} * {v}" for v in x]) + f" + @~1.0 * {x[0]} * {x[-1]} + $c;",
            f"real %t = {low};\nreturn %t * ({total}) + (1.0 - %t) * (| {x[0]} | {x[0]} * {x[0]} |"
            f" sin({x[0]}) |) + $c;",
            "return "
            + _join([f"(| sin(@2.0 * {v}) | cos(@3.0 * {v}) | {v} * {v} * {v} | exp(-{v} * {v}) |)" for v in x])
            + " + $c;",
            f"return $c * {' * '.join(f'(1.0 - {v} * {v})' for v in x)};",
            f"return $c * {' * '.join(f'(| cos(@1.5 * {v}) | (1.0 + @0.5 * {v}) | exp(-fabs({v})) |)' for v in x)};",
            c=0.3,
        )


def _products(n: int) -> Iterator[Idiom]:
    """Sums of products of coefficient and value pairs, both arguments: mixes and filters."""
    inputs = "|".join(
        " ".join([f"{a}{i}" for i in range(n)] + [f"{b}{i}" for i in range(n)])
        for a, b in (("w", "x"), ("b", "x"), ("c", "v"), ("g", "s"), ("a", "b"))
    )
    terms = [f"$w{i} * $x{i}" for i in range(n)]
    weights = _join([f"fabs($w{i})" for i in range(n)])
    yield idiom(
        "weighted mean",
        "weighted_mean wavg blend_weights mix barycentric wmean centroid interp_weights",
        inputs,
        f"real %s = {weights} + $eps;\nreturn ({_join(terms)}) / %s;",
        f"return ({_join([f'fabs($w{i}) * $x{i}' for i in range(n)])}) / ({weights} + $eps);",
        f"real %n = {_join(terms)};\nreal %q = {_join([f'$w{i} * $w{i}' for i in range(n)])};\nreturn %n / (%q"
        f" + $eps);",
        f"real %s = {_join(terms)};\nreturn (| tanh(%s) | sigmoid(%s + $eps) | fmax(%s, 0.0) |"
        f" sqrt(%s * %s + $eps) |);",
        eps=0.2,
    )


def _join(pieces: list[str], operator: str = " + ") -> str:
    return operator.join(pieces)


def _numbered(n: int) -> str:
    """Return alternative names for `n` values of one kind."""
    rows = [
        [f"x{i}" for i in range(n)],
        [f"v{i + 1}" for i in range(n)],
        [f"p{i}" for i in range(n)],
        [f"s{i}" for i in range(n)],
        [f"in{i}" for i in range(n)],
        list(_MANY[:n]),
    ]
    return "|".join(" ".join(row) for row in rows)
