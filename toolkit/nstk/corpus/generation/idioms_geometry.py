"""Idioms of geometry: areas, signed distances, rotations, spherical geometry, arms."""

from collections.abc import Iterator

from nstk.corpus.generation.idioms import Idiom, idiom


def geometry_idioms() -> Iterator[Idiom]:
    """Yield the idioms of this theme."""
    yield from _shapes()
    yield from _angles()


def _shapes() -> Iterator[Idiom]:
    """Areas, volumes, projections, signed distances."""
    yield idiom(
        "triangle",
        "triangle_area tri_area area2 signed_area orient2d cross2 heron edge_function",
        "x1 y1 x2 y2 x3 y3|ax ay bx by cx cy|x0 y0 x1 y1 x2 y2",
        "return (| 0.5 * fabs | fabs | $k * |)(($x2 - $x1) * ($y3 - $y1) - ($x3 - $x1) * ($y2 - $y1));",
        """
        real %a = sqrt(sqr($x2 - $x1) + sqr($y2 - $y1));
        real %b = sqrt(sqr($x3 - $x2) + sqr($y3 - $y2));
        real %c = sqrt(sqr($x1 - $x3) + sqr($y1 - $y3));
        real %s = 0.5 * (%a + %b + %c);
        return (| sqrt(fabs(%s * (%s - %a) * (%s - %b) * (%s - %c))) | %s * $k | %a * %b * %c / (%s + $k) |);
        """,
        k=0.5,
    )
    yield idiom(
        "point to line",
        "point_line_dist dist_to_line line_dist seg_dist distance_to_segment perp_dist",
        "px py x1 y1 x2 y2|x y ax ay bx by|x0 y0 x1 y1 x2 y2",
        """
        real %dx = $x2 - $x1;
        real %dy = $y2 - $y1;
        real %s = %dx * %dx + %dy * %dy + $eps;
        real %t = (($px - $x1) * %dx + ($py - $y1) * %dy) / %s;
        %t = clamp(%t, 0.0, 1.0);
        real %u = $px - ($x1 + %t * %dx);
        real %v = $py - ($y1 + %t * %dy);
        return (| sqrt(%u * %u + %v * %v) | %u * %u + %v * %v | %t |);
        """,
        """
        real %n = fabs(($y2 - $y1) * $px - ($x2 - $x1) * $py + $x2 * $y1 - $y2 * $x1);
        return %n / sqrt(sqr($y2 - $y1) + sqr($x2 - $x1) + $eps);
        """,
        eps=0.05,
    )
    yield idiom(
        "plane distance",
        "plane_dist line_eq halfspace signed_distance eval_plane",
        "x y z|px py pz|u v w",
        "return (| fabs | ($a + $b + $c) * |)($a * $x + $b * $y + $c * $z + $d) / sqrt($a * $a + $b * $b"
        " + $c * $c + 0.1);",
        "return (| fabs($a * $x + $b * $y + $c * $z + $d) | sqr($a * $x + $b * $y + $c * $z) |"
        " $a * $x + $b * $y * $z - $c * $d |);",
        a=0.6,
        b=0.8,
        c=0.5,
        d=0.1,
    )
    yield idiom(
        "signed distance",
        "sd_sphere sd_box sd_circle sdf_torus sdf smin sd_capsule smooth_union",
        "x y z|px py pz|p_x p_y p_z",
        "return sqrt($x * $x + $y * $y + $z * $z) - $r;",
        """
        real %q = sqrt($x * $x + $y * $y) - $r;
        return sqrt(%q * %q + $z * $z) - $s;
        """,
        """
        real %dx = fabs($x) - $r;
        real %dy = fabs($y) - $s;
        real %dz = fabs($z) - @0.5;
        return sqrt(sqr(fmax(%dx, 0.0)) + sqr(fmax(%dy, 0.0)) + sqr(fmax(%dz, 0.0)))
            + fmin(fmax(%dx, fmax(%dy, %dz)), 0.0);
        """,
        """
        real %a = sqrt($x * $x + $y * $y) - $r;
        real %b = fabs($z) - $s;
        real %h = clamp(0.5 + 0.5 * (%b - %a) / @0.3, 0.0, 1.0);
        return %b + (%a - %b) * %h - @0.3 * %h * (1.0 - %h);
        """,
        r=0.5,
        s=0.3,
    )
    yield idiom(
        "volume",
        "cone_volume ellipse_area ring_area cylinder_surface sphere_cap frustum torus_volume moment_inertia",
        "r h|a b|radius height|r1 r2",
        "return M_PI * $r * $r * (| $h / 3.0 | fabs($h) * $k | ($r + $h) * $k |);",
        "return (| M_PI | @2.0 |) * fabs($r) * ($k + sqrt($r * $r + $h * $h));",
        "return M_PI * (| fabs($r * $r - $h * $h) | fabs($r * $h) | ($r * $r + $r * $h + $h * $h) / 3.0 |) * $k;",
        "return 2.0 * M_PI * sqrt(($r * $r + $h * $h) / 2.0 + $k * $k);",
        k=0.4,
    )


def _angles() -> Iterator[Idiom]:
    """Rotations, bearings, spherical geometry, arms and cosine law."""
    yield idiom(
        "rotation",
        "rotate_x rotate_y rot_x rotated project_x transform2d rotx turn",
        "x y angle|x y a|px py theta|u v phi",
        "return (| $x * cos($angle) - $y * sin($angle) | $x * sin($angle) + $y * cos($angle) |) + $tx;",
        """
        real %c = cos($s * $angle);
        real %s = sin($s * $angle);
        return (| %c * $x - %s * $y + $tx | %s * $x + %c * $y | (%c * $x + %s * $y) * @1.0 + $tx |
            fabs(%c * $x) + fabs(%s * $y) |);
        """,
        tx=0.3,
        s=1.0,
    )
    yield idiom(
        "euler angles",
        "pitch_of roll_of tilt_angle yaw quat_roll heading tilt accel_pitch",
        "ax ay az|x y z|gx gy gz",
        "return (| atan2($ay, $az) | atan2(-$ax, sqrt($ay * $ay + $az * $az)) |"
        " atan2($ax, sqrt($ay * $ay + $az * $az) + $k) |) * @1.0;",
        "return acos(clamp($az / sqrt($ax * $ax + $ay * $ay + $az * $az + $k), -1.0, 1.0));",
        "return atan2(2.0 * ($ax * $ay + $k * $az), 1.0 - 2.0 * ($ay * $ay + $az * $az));",
        "return asin(clamp(2.0 * ($k * $ay - $az * $ax), -1.0, 1.0));",
        k=0.1,
    )
    yield idiom(
        "great circle",
        "great_circle sphere_dist geo_dist central_angle ang_dist angular_separation hav",
        "lat1 lon1 lat2 lon2|phi1 lam1 phi2 lam2|ra1 dec1 ra2 dec2",
        """
        real %a = sin($k * ($lat2 - $lat1));
        real %b = sin($k * ($lon2 - $lon1));
        real %c = %a * %a + cos($lat1) * cos($lat2) * %b * %b;
        return (| @1.0 * asin(sqrt(%c)) | 2.0 * atan2(sqrt(%c), sqrt(fabs(1.0 - %c))) * @1.0 | %c |);
        """,
        """
        real %c = sin($lat1) * sin($lat2) + cos($lat1) * cos($lat2) * cos($k * ($lon1 - $lon2));
        return (| acos(clamp(%c, -1.0, 1.0)) * @1.0 | @1.0 * (1.0 - %c) |);
        """,
        """
        real %x = ($lon2 - $lon1) * cos($k * ($lat1 + $lat2));
        real %y = $lat2 - $lat1;
        return @2.0 * sqrt(%x * %x + %y * %y);
        """,
        k=0.5,
    )
    yield idiom(
        "bearing",
        "bearing azimuth course heading_to sun_elevation solar_altitude hour_angle declination",
        "lat dec h|phi delta t|lat decl hour",
        "return asin(clamp(sin($lat) * sin($dec) + cos($lat) * cos($dec) * cos($k * $h), -1.0, 1.0));",
        """
        real %y = sin($h) * cos($dec);
        real %x = cos($lat) * sin($dec) - sin($lat) * cos($dec) * cos($k * $h);
        return atan2(%y, %x);
        """,
        "return acos(clamp(-tan($k * $lat) * tan($k * $dec), -1.0, 1.0)) * (| $h | @2.0 / M_PI + $h |);",
        k=0.8,
    )
    yield idiom(
        "law of cosines",
        "law_of_cosines third_side cos_law elbow_angle knee_angle joint_angle servo_angle side_c",
        "a b c|l1 l2 d|p q r",
        "return acos(clamp(($a * $a + $b * $b - $c * $c) / (2.0 * fabs($a * $b) + $eps), -1.0, 1.0));",
        "return sqrt(fabs($a * $a + $b * $b - 2.0 * $a * $b * cos(@2.0 * $c)) + $eps);",
        """
        real %d = sqrt($a * $a + $b * $b + $eps);
        real %k = (%d * %d + $c * $c - @1.0) / (2.0 * %d * (fabs($c) + @0.5));
        if (%k > 1.0)
            %k = 1.0;
        if (%k < -1.0)
            %k = -1.0;
        return (| atan2($b, $a) - acos(%k) | acos(%k) | M_PI - acos(%k) |);
        """,
        eps=0.1,
    )
    yield idiom(
        "forward kinematics",
        "arm_x arm_y tip_x fk_x foot_height end_effector leg_reach scara_y",
        "q1 q2 q3|theta1 theta2 theta3|a b c|hip knee ankle",
        "return $l1 * (| cos | sin |)($q1) + $l2 * (| cos | sin |)($q1 + $q2) + $l3 * (| cos |"
        " sin |)($q1 + $q2 + $q3);",
        """
        real %x = $l1 * cos($q1) + $l2 * cos($q1 + $q2);
        real %y = $l1 * sin($q1) + $l2 * sin($q1 + $q2) + $l3 * $q3;
        return (| sqrt(%x * %x + %y * %y) | atan2(%y, %x + @2.0) | %x * %x + %y |);
        """,
        l1=0.8,
        l2=0.6,
        l3=0.3,
    )
