/*
 * Neural surrogate of dew_point() in dew_point.c, emitted by nstk 0.1.0.
 *
 * network    2-4-4-1 -> result (sigmoid, linear output; speed style)
 * domain     t in [-20, 60] (inputs outside are clamped)
 * domain     rh in [1, 100] (inputs outside are clamped)
 * error      result: at most 0.0421 (0.04 % of range)
 *
 * This emitted file may be used under any terms, without notice (exception in nstk's LICENSE).
 *
 * dew_point_surrogate()        drop-in for the original, same types
 * dew_point_surrogate_f()      the same in float
 * dew_point_surrogate_batch()  n evaluations, an array per input and output
 */
#ifndef DEW_POINT_SURROGATE_H
#define DEW_POINT_SURROGATE_H

#include <stddef.h>

#ifndef NSTK_LANES_H
#define NSTK_LANES_H
/* nstk_lanes.h: vectors of floats through the compiler's vector extension, without intrinsics headers.
 *
 * Defines NSTK_LANES, the lanes of nstk_vn, only where the processor has vectors worth using:
 *   nstk_v4  four lanes, for the units of one layer;
 *   nstk_vn  NSTK_LANES lanes, for neighbouring evaluations of a batch.
 */
#if defined(__GNUC__) && !defined(NSTK_NO_VECTORS)
#if defined(__AVX512F__)
#define NSTK_LANES 16U
#elif defined(__AVX__)
#define NSTK_LANES 8U
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define NSTK_LANES 4U
#endif
#endif

#if defined(NSTK_LANES)
typedef float nstk_v4 __attribute__((vector_size(16)));
typedef float nstk_vn __attribute__((vector_size(4 * NSTK_LANES)));

/* The tables of weights are aligned to what nstk_load_v4 takes. */
#define NSTK_ALIGNED __attribute__((aligned(16)))

/* Clamps keep NaN: x86's minimum and maximum return their second operand when one is NaN. */
static inline nstk_v4 nstk_clamp_v4(nstk_v4 x, nstk_v4 lo, nstk_v4 hi)
{
#if defined(__SSE2__)
    return __builtin_ia32_minps(hi, __builtin_ia32_maxps(lo, x));
#else
    typedef int mask __attribute__((vector_size(16)));
    const mask low = x < lo;
    const mask high = x > hi;
    x = (nstk_v4)((low & (mask)lo) | (~low & (mask)x));
    return (nstk_v4)((high & (mask)hi) | (~high & (mask)x));
#endif
}

static inline nstk_v4 nstk_limit_v4(nstk_v4 x, float limit)
{
    const nstk_v4 zero = {0.0f};
    return nstk_clamp_v4(x, zero - limit, zero + limit);
}

static inline nstk_vn nstk_clamp_vn(nstk_vn x, float low, float high)
{
    const nstk_vn zero = {0.0f};
    const nstk_vn lo = zero + low;
    const nstk_vn hi = zero + high;
#if NSTK_LANES == 8U
    return __builtin_ia32_minps256(hi, __builtin_ia32_maxps256(lo, x));
#elif NSTK_LANES == 4U
    return nstk_clamp_v4(x, lo, hi);
#else
    typedef int mask __attribute__((vector_size(4 * NSTK_LANES)));
    const mask below = x < lo;
    const mask above = x > hi;
    x = (nstk_vn)((below & (mask)lo) | (~below & (mask)x));
    return (nstk_vn)((above & (mask)hi) | (~above & (mask)x));
#endif
}

static inline nstk_v4 nstk_load_v4(const float *p)
{
    nstk_v4 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline nstk_vn nstk_load_vn(const float *p)
{
    nstk_vn v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline void nstk_store_vn(float *p, nstk_vn v)
{
    __builtin_memcpy(p, &v, sizeof v);
}
#else
#define NSTK_ALIGNED
#endif
#endif

#ifndef NSTK_CLAMP_H
#define NSTK_CLAMP_H
/* nstk_clamp.h: one float, clamped; NaN stays NaN. */

/* A value the compiler knows nothing about, in a register of the kind that holds floats: from what it knows after a
   selection gcc makes branches, and two paths of the code that follows. Clang does not. */
#if !defined(__GNUC__) || defined(__clang__)
#define NSTK_SELECTED(x) ((void)0)
#elif defined(__arm__) && defined(__ARM_FP)
#define NSTK_SELECTED(x) __asm__("" : "+t"(x))
#elif defined(__riscv_flen)
#define NSTK_SELECTED(x) __asm__("" : "+f"(x))
#elif defined(__arm__) || defined(__riscv) || defined(__AVR__)
#define NSTK_SELECTED(x) __asm__("" : "+r"(x))
#else
#define NSTK_SELECTED(x) ((void)0)
#endif

static inline float nstk_clamp(float x, float lo, float hi)
{
#if defined(__SSE2__) && defined(__GNUC__)
    /* Written with ?: alone, gcc turns this into branches. */
    typedef float v4 __attribute__((vector_size(16)));
    const v4 l = {lo, 0.0f, 0.0f, 0.0f};
    const v4 h = {hi, 0.0f, 0.0f, 0.0f};
    const v4 v = {x, 0.0f, 0.0f, 0.0f};
    return __builtin_ia32_minss(h, __builtin_ia32_maxss(l, v))[0];
#else
    float y = (x < lo) ? lo : x;
    NSTK_SELECTED(y);
    y = (y > hi) ? hi : y;
    NSTK_SELECTED(y);
    return y;
#endif
}
#endif

#define DEW_POINT_SURROGATE_T_LO (-20.0f)
#define DEW_POINT_SURROGATE_T_HI 60.0f
#define DEW_POINT_SURROGATE_RH_LO 1.0f
#define DEW_POINT_SURROGATE_RH_HI 100.0f

static const float dew_point_surrogate_w0[37] NSTK_ALIGNED = {
    -0.6021376f, 0.120037116f, 0.22797294f, 0.23985188f, -0.38096768f, 0.04322411f, -0.9733839f, 0.3918396f,
    0.97814983f, 0.14909148f, -0.50562084f, 0.6445721f, 0.042818654f, -0.30356815f, 0.49036312f, 0.35759613f,
    0.17099056f, 0.34813607f, 0.13159463f, -0.5240631f, -0.43450758f, 0.9783517f, -0.019679604f, 0.7469588f,
    0.46814507f, -0.31291944f, 0.5752374f, -0.2981368f, -0.0658021f, 0.30350307f, -0.8379411f, -0.77926534f,
    -0.5844462f, -0.13078506f, -0.0566332f, -0.34294167f, -0.5616675f
};

static const float dew_point_surrogate_tanh0[5] NSTK_ALIGNED = {
    140.25f, 20.5f, 61.125f, 3.5f, 2.75f
};

static const float dew_point_surrogate_tanh1[7] NSTK_ALIGNED = {
    1025.5f, 210.0f, 9.5f, 410.5f, 77.0f, 2.25f, 7.25f
};

#if defined(NSTK_LANES)
static inline nstk_v4 dew_point_surrogate_act0_v4(nstk_v4 u)
{
    const float *const c = dew_point_surrogate_tanh0;
    const nstk_v4 v = u;
    const nstk_v4 s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline nstk_v4 dew_point_surrogate_act1_v4(nstk_v4 u)
{
    const float *const c = dew_point_surrogate_tanh1;
    const nstk_v4 v = nstk_limit_v4(u, c[6]);
    const nstk_v4 s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void dew_point_surrogate_core(float x0, float x1, float *y0)
{
    const nstk_v4 lo0 = {DEW_POINT_SURROGATE_T_LO, DEW_POINT_SURROGATE_RH_LO, DEW_POINT_SURROGATE_RH_LO,
        DEW_POINT_SURROGATE_RH_LO};
    const nstk_v4 hi0 = {DEW_POINT_SURROGATE_T_HI, DEW_POINT_SURROGATE_RH_HI, DEW_POINT_SURROGATE_RH_HI,
        DEW_POINT_SURROGATE_RH_HI};
    const nstk_v4 in0 = {x0, x1, x1, x1};
    const nstk_v4 box0 = nstk_clamp_v4(in0, lo0, hi0);
    x0 = box0[0];
    x1 = box0[1];
    { /* 2-4-4-1 */
        const float *const w = dew_point_surrogate_w0;
        const nstk_v4 h1_0 = dew_point_surrogate_act0_v4((nstk_load_v4(&w[0]) + (nstk_load_v4(&w[4]) * x0)) +
            ((nstk_load_v4(&w[8]) * x1)));
        const nstk_v4 h2_0 = dew_point_surrogate_act1_v4((nstk_load_v4(&w[12]) + (nstk_load_v4(&w[16]) *
            h1_0[0]) + (nstk_load_v4(&w[24]) * h1_0[2])) + ((nstk_load_v4(&w[20]) * h1_0[1]) +
            (nstk_load_v4(&w[28]) * h1_0[3])));
        const nstk_v4 s0 = nstk_load_v4(&w[32]) * h2_0;
        *y0 = ((s0[0] + s0[2]) + (s0[1] + s0[3])) + w[36];
    }
}

static inline nstk_vn dew_point_surrogate_act0_vn(nstk_vn u)
{
    const float *const c = dew_point_surrogate_tanh0;
    const nstk_vn v = u;
    const nstk_vn s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline nstk_vn dew_point_surrogate_act1_vn(nstk_vn u)
{
    const float *const c = dew_point_surrogate_tanh1;
    const nstk_vn v = nstk_clamp_vn(u, -c[6], c[6]);
    const nstk_vn s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void dew_point_surrogate_core_vn(nstk_vn x0a, nstk_vn x1a, nstk_vn x0b, nstk_vn x1b, nstk_vn *y0a, nstk_vn *y0b)
{
    x0a = nstk_clamp_vn(x0a, DEW_POINT_SURROGATE_T_LO, DEW_POINT_SURROGATE_T_HI);
    x0b = nstk_clamp_vn(x0b, DEW_POINT_SURROGATE_T_LO, DEW_POINT_SURROGATE_T_HI);
    x1a = nstk_clamp_vn(x1a, DEW_POINT_SURROGATE_RH_LO, DEW_POINT_SURROGATE_RH_HI);
    x1b = nstk_clamp_vn(x1b, DEW_POINT_SURROGATE_RH_LO, DEW_POINT_SURROGATE_RH_HI);
    { /* 2-4-4-1 */
        const float *const w = dew_point_surrogate_w0;
        const nstk_vn h1_0a = dew_point_surrogate_act0_vn((w[0] + (w[4] * x0a)) + ((w[8] * x1a)));
        const nstk_vn h1_0b = dew_point_surrogate_act0_vn((w[0] + (w[4] * x0b)) + ((w[8] * x1b)));
        const nstk_vn h1_1a = dew_point_surrogate_act0_vn((w[1] + (w[5] * x0a)) + ((w[9] * x1a)));
        const nstk_vn h1_1b = dew_point_surrogate_act0_vn((w[1] + (w[5] * x0b)) + ((w[9] * x1b)));
        const nstk_vn h1_2a = dew_point_surrogate_act0_vn((w[2] + (w[6] * x0a)) + ((w[10] * x1a)));
        const nstk_vn h1_2b = dew_point_surrogate_act0_vn((w[2] + (w[6] * x0b)) + ((w[10] * x1b)));
        const nstk_vn h1_3a = dew_point_surrogate_act0_vn((w[3] + (w[7] * x0a)) + ((w[11] * x1a)));
        const nstk_vn h1_3b = dew_point_surrogate_act0_vn((w[3] + (w[7] * x0b)) + ((w[11] * x1b)));
        const nstk_vn h2_0a = dew_point_surrogate_act1_vn((w[12] + (w[16] * h1_0a) + (w[24] * h1_2a)) + ((w[20]
            * h1_1a) + (w[28] * h1_3a)));
        const nstk_vn h2_0b = dew_point_surrogate_act1_vn((w[12] + (w[16] * h1_0b) + (w[24] * h1_2b)) + ((w[20]
            * h1_1b) + (w[28] * h1_3b)));
        const nstk_vn h2_1a = dew_point_surrogate_act1_vn((w[13] + (w[17] * h1_0a) + (w[25] * h1_2a)) + ((w[21]
            * h1_1a) + (w[29] * h1_3a)));
        const nstk_vn h2_1b = dew_point_surrogate_act1_vn((w[13] + (w[17] * h1_0b) + (w[25] * h1_2b)) + ((w[21]
            * h1_1b) + (w[29] * h1_3b)));
        const nstk_vn h2_2a = dew_point_surrogate_act1_vn((w[14] + (w[18] * h1_0a) + (w[26] * h1_2a)) + ((w[22]
            * h1_1a) + (w[30] * h1_3a)));
        const nstk_vn h2_2b = dew_point_surrogate_act1_vn((w[14] + (w[18] * h1_0b) + (w[26] * h1_2b)) + ((w[22]
            * h1_1b) + (w[30] * h1_3b)));
        const nstk_vn h2_3a = dew_point_surrogate_act1_vn((w[15] + (w[19] * h1_0a) + (w[27] * h1_2a)) + ((w[23]
            * h1_1a) + (w[31] * h1_3a)));
        const nstk_vn h2_3b = dew_point_surrogate_act1_vn((w[15] + (w[19] * h1_0b) + (w[27] * h1_2b)) + ((w[23]
            * h1_1b) + (w[31] * h1_3b)));
        *y0a = (((w[32] * h2_0a) + (w[34] * h2_2a)) + ((w[33] * h2_1a) + (w[35] * h2_3a))) + w[36];
        *y0b = (((w[32] * h2_0b) + (w[34] * h2_2b)) + ((w[33] * h2_1b) + (w[35] * h2_3b))) + w[36];
    }
}

#else
static inline float dew_point_surrogate_act0(float u)
{
    const float *const c = dew_point_surrogate_tanh0;
    const float v = u;
    const float s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline float dew_point_surrogate_act1(float u)
{
    const float *const c = dew_point_surrogate_tanh1;
    const float v = nstk_clamp(u, -c[6], c[6]);
    const float s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void dew_point_surrogate_core(float x0, float x1, float *y0)
{
    x0 = nstk_clamp(x0, DEW_POINT_SURROGATE_T_LO, DEW_POINT_SURROGATE_T_HI);
    x1 = nstk_clamp(x1, DEW_POINT_SURROGATE_RH_LO, DEW_POINT_SURROGATE_RH_HI);
    { /* 2-4-4-1 */
        const float *const w = dew_point_surrogate_w0;
        const float h1_0 = dew_point_surrogate_act0((w[0] + (w[4] * x0)) + ((w[8] * x1)));
        const float h1_1 = dew_point_surrogate_act0((w[1] + (w[5] * x0)) + ((w[9] * x1)));
        const float h1_2 = dew_point_surrogate_act0((w[2] + (w[6] * x0)) + ((w[10] * x1)));
        const float h1_3 = dew_point_surrogate_act0((w[3] + (w[7] * x0)) + ((w[11] * x1)));
        const float h2_0 = dew_point_surrogate_act1((w[12] + (w[16] * h1_0) + (w[24] * h1_2)) + ((w[20] * h1_1)
            + (w[28] * h1_3)));
        const float h2_1 = dew_point_surrogate_act1((w[13] + (w[17] * h1_0) + (w[25] * h1_2)) + ((w[21] * h1_1)
            + (w[29] * h1_3)));
        const float h2_2 = dew_point_surrogate_act1((w[14] + (w[18] * h1_0) + (w[26] * h1_2)) + ((w[22] * h1_1)
            + (w[30] * h1_3)));
        const float h2_3 = dew_point_surrogate_act1((w[15] + (w[19] * h1_0) + (w[27] * h1_2)) + ((w[23] * h1_1)
            + (w[31] * h1_3)));
        *y0 = (((w[32] * h2_0) + (w[34] * h2_2)) + ((w[33] * h2_1) + (w[35] * h2_3))) + w[36];
    }
}
#endif

static inline float dew_point_surrogate_f(float t, float rh)
{
    float y;
    dew_point_surrogate_core(t, rh, &y);
    return y;
}

static inline float dew_point_surrogate(float t, float rh)
{
    const float y = dew_point_surrogate_f(t, rh);
    return y;
}

static inline void dew_point_surrogate_batch(size_t n, const float *t, const float *rh, float *result)
{
    size_t i = 0;
#if defined(NSTK_LANES)
    for (; (i + (2U * NSTK_LANES)) <= n; i += 2U * NSTK_LANES) {
        nstk_vn v;
        nstk_vn v_2;
        dew_point_surrogate_core_vn(nstk_load_vn(&t[i]), nstk_load_vn(&rh[i]), nstk_load_vn(&t[i + NSTK_LANES]), nstk_load_vn(&rh[i + NSTK_LANES]), &v, &v_2);
        nstk_store_vn(&result[i], v);
        nstk_store_vn(&result[i + NSTK_LANES], v_2);
    }
#endif
    for (; i < n; i++) {
        result[i] = dew_point_surrogate_f(t[i], rh[i]);
    }
}

#endif
