//! Functions of <math.h> that neither zig's compiler-rt nor the C files it ships have, from its standard library.
const math = @import("std").math;

fn both(comptime name: []const u8, comptime f: anytype) void {
    const of = struct {
        fn double(x: f64) callconv(.c) f64 {
            return f(x);
        }
        fn float(x: f32) callconv(.c) f32 {
            return f(x);
        }
    };
    @export(&of.double, .{ .name = name });
    @export(&of.float, .{ .name = name ++ "f" });
}

fn rint(x: anytype) @TypeOf(x) {
    const T = @TypeOf(x);
    const shift: T = 1 / math.floatEps(T);
    if (!(@abs(x) < shift)) return x;
    const forced: *const volatile T = &shift; // the sum must be rounded, not simplified
    const signed = math.copysign(forced.*, x);
    return math.copysign((x + signed) - signed, x);
}

comptime {
    both("acos", math.acos);
    both("atan", math.atan);
    both("cbrt", math.cbrt);
    both("cosh", math.cosh);
    both("log1p", math.log1p);
    both("tanh", math.tanh);
    both("rint", rint);
    @export(&asin, .{ .name = "asin" });
    @export(&acoshf, .{ .name = "acoshf" });
    @export(&hypot, .{ .name = "hypot" });
    @export(&hypotf, .{ .name = "hypotf" });
    @export(&copysign, .{ .name = "copysign" });
    @export(&copysignf, .{ .name = "copysignf" });
    @export(&lrint, .{ .name = "lrint" });
    @export(&lrintf, .{ .name = "lrintf" });
    @export(&lround, .{ .name = "lround" });
    @export(&lroundf, .{ .name = "lroundf" });
    @export(&modf, .{ .name = "modf" });
    @export(&modff, .{ .name = "modff" });
    @export(&frexp, .{ .name = "frexp" });
    @export(&frexpf, .{ .name = "frexpf" });
}

fn asin(x: f64) callconv(.c) f64 {
    return math.asin(x);
}

fn acoshf(x: f32) callconv(.c) f32 {
    return math.acosh(x);
}

fn hypot(x: f64, y: f64) callconv(.c) f64 {
    return math.hypot(x, y);
}

fn hypotf(x: f32, y: f32) callconv(.c) f32 {
    return math.hypot(x, y);
}

fn copysign(x: f64, y: f64) callconv(.c) f64 {
    return math.copysign(x, y);
}

fn copysignf(x: f32, y: f32) callconv(.c) f32 {
    return math.copysign(x, y);
}

fn lrint(x: f64) callconv(.c) c_long {
    return @intFromFloat(rint(x));
}

fn lrintf(x: f32) callconv(.c) c_long {
    return @intFromFloat(rint(x));
}

fn lround(x: f64) callconv(.c) c_long {
    return @intFromFloat(@round(x));
}

fn lroundf(x: f32) callconv(.c) c_long {
    return @intFromFloat(@round(x));
}

fn modf(x: f64, whole: *f64) callconv(.c) f64 {
    whole.* = @trunc(x);
    return math.copysign(if (math.isInf(x)) 0 else x - whole.*, x);
}

fn modff(x: f32, whole: *f32) callconv(.c) f32 {
    whole.* = @trunc(x);
    return math.copysign(if (math.isInf(x)) 0 else x - whole.*, x);
}

fn frexp(x: f64, exponent: *c_int) callconv(.c) f64 {
    const found = math.frexp(x);
    exponent.* = found.exponent;
    return found.significand;
}

fn frexpf(x: f32, exponent: *c_int) callconv(.c) f32 {
    const found = math.frexp(x);
    exponent.* = found.exponent;
    return found.significand;
}
