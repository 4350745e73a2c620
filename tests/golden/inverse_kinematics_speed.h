/*
 * Neural surrogate of inverse_kinematics() in invk2j.c, emitted by nstk 0.1.0.
 *
 * network    2-4-4-1 -> theta1 (sigmoid, linear output; speed style)
 * network    2-8-8-1 -> theta2 (sigmoid, linear output; speed style)
 * domain     x in [0.1, 0.65] (inputs outside are clamped)
 * domain     y in [0.1, 0.65] (inputs outside are clamped)
 *
 * This emitted file may be used under any terms, without notice (exception in nstk's LICENSE).
 *
 * inverse_kinematics_surrogate()        drop-in for the original, same types
 * inverse_kinematics_surrogate_f()      the same in float
 * inverse_kinematics_surrogate_batch()  n evaluations, an array per input and output
 */
#ifndef INVERSE_KINEMATICS_SURROGATE_H
#define INVERSE_KINEMATICS_SURROGATE_H

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

#define INVERSE_KINEMATICS_SURROGATE_X_LO 0.1f
#define INVERSE_KINEMATICS_SURROGATE_X_HI 0.65f
#define INVERSE_KINEMATICS_SURROGATE_Y_LO 0.1f
#define INVERSE_KINEMATICS_SURROGATE_Y_HI 0.65f
#define INVERSE_KINEMATICS_SURROGATE_Y_CENTER 0.375f

static const float inverse_kinematics_surrogate_w0[37] NSTK_ALIGNED = {
    -0.12566999f, 0.71310073f, 0.01773283f, 0.3674879f, 0.09476039f, 0.40967575f, 0.35463434f, 0.16258061f,
    -0.87058204f, 0.5907423f, -0.983566f, 0.24167837f, -0.8960218f, -0.6697913f, 0.2496237f, 0.15416405f,
    0.752191f, 0.79768556f, 0.17262301f, 0.022766223f, 0.53221214f, 0.5315127f, -0.73454887f, 0.65000683f,
    -0.9846284f, -0.16545565f, -0.76630664f, -0.17486426f, -0.12024203f, -0.17039126f, 0.72178304f, 0.59813434f,
    -0.2271773f, 0.9661585f, 0.8293082f, -0.6821614f, -0.17669284f
};

static const float inverse_kinematics_surrogate_w1[105] NSTK_ALIGNED = {
    0.14315337f, -0.75530106f, 0.15476438f, -0.95895696f, -0.49781138f, -0.24824373f, 0.8278122f, -0.5516276f,
    -0.9707104f, 0.6418677f, 0.10607569f, -0.23481694f, -0.041179415f, 0.71108204f, -0.36155456f, -0.56270677f,
    -0.8810365f, -0.22234198f, -0.5399273f, -0.45476997f, -0.105487645f, -0.518442f, -0.87491626f, 0.9262091f,
    -0.17208794f, 0.09550338f, -0.7869993f, -0.79285425f, -0.18931167f, 0.47773248f, 0.2153385f, -0.6996952f,
    0.65453255f, 0.44006136f, 0.11446273f, -0.45349398f, -0.8944504f, 0.8281771f, -0.010597932f, -0.33157396f,
    0.48788244f, 0.47255388f, -0.61456275f, 0.98091125f, 0.023646595f, 0.98457646f, -0.85411346f, -0.2689694f,
    -0.75088316f, -0.77531743f, -0.9228396f, -0.47875604f, -0.30340716f, 0.61434406f, -0.017557302f,
    0.08941931f, 0.4162533f, -0.75547945f, -0.56932235f, -0.93713576f, -0.253266f, 0.58534646f, -0.91569966f,
    -0.38031214f, 0.6779648f, -0.07024026f, 0.34077862f, -0.7680603f, -0.07437984f, -0.88751084f, 0.23834278f,
    -0.00084299874f, 0.2802333f, -0.4791059f, 0.5776003f, 0.95566565f, -0.3953104f, 0.7544472f, 0.40225723f,
    0.40554136f, -0.33733833f, -0.3447992f, -0.9377089f, 0.25144985f, -0.4595703f, 0.83219457f, 0.007972715f,
    0.784272f, -0.15636835f, -0.3359151f, -0.2781843f, -0.9505344f, 0.08328737f, 0.8014284f, -0.43314344f,
    -0.73066163f, -0.7106531f, -0.544734f, 0.9951649f, -0.8230449f, 0.1341729f, -0.39696395f, -0.5781774f,
    -0.57616717f, 0.19893642f
};

static const float inverse_kinematics_surrogate_tanh0[5] NSTK_ALIGNED = {
    140.25f, 20.5f, 61.125f, 3.5f, 2.75f
};

static const float inverse_kinematics_surrogate_tanh1[7] NSTK_ALIGNED = {
    1025.5f, 210.0f, 9.5f, 410.5f, 77.0f, 2.25f, 7.25f
};

#if defined(NSTK_LANES)
static inline nstk_v4 inverse_kinematics_surrogate_act0_v4(nstk_v4 u)
{
    const float *const c = inverse_kinematics_surrogate_tanh0;
    const nstk_v4 v = u;
    const nstk_v4 s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline nstk_v4 inverse_kinematics_surrogate_act1_v4(nstk_v4 u)
{
    const float *const c = inverse_kinematics_surrogate_tanh1;
    const nstk_v4 v = nstk_limit_v4(u, c[6]);
    const nstk_v4 s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void inverse_kinematics_surrogate_core(float x0, float x1, float *y0, float *y1)
{
    const nstk_v4 lo0 = {INVERSE_KINEMATICS_SURROGATE_X_LO, INVERSE_KINEMATICS_SURROGATE_Y_LO,
        INVERSE_KINEMATICS_SURROGATE_Y_LO, INVERSE_KINEMATICS_SURROGATE_Y_LO};
    const nstk_v4 hi0 = {INVERSE_KINEMATICS_SURROGATE_X_HI, INVERSE_KINEMATICS_SURROGATE_Y_HI,
        INVERSE_KINEMATICS_SURROGATE_Y_HI, INVERSE_KINEMATICS_SURROGATE_Y_HI};
    const nstk_v4 in0 = {x0, x1, x1, x1};
    const nstk_v4 box0 = nstk_clamp_v4(in0, lo0, hi0);
    x0 = box0[0];
    x1 = box0[1];
    x1 -= INVERSE_KINEMATICS_SURROGATE_Y_CENTER;
    { /* 2-4-4-1 */
        const float *const w = inverse_kinematics_surrogate_w0;
        const nstk_v4 h1_0 = inverse_kinematics_surrogate_act0_v4((nstk_load_v4(&w[0]) + (nstk_load_v4(&w[4]) *
            x0)) + ((nstk_load_v4(&w[8]) * x1)));
        const nstk_v4 h2_0 = inverse_kinematics_surrogate_act1_v4((nstk_load_v4(&w[12]) + (nstk_load_v4(&w[16])
            * h1_0[0]) + (nstk_load_v4(&w[24]) * h1_0[2])) + ((nstk_load_v4(&w[20]) * h1_0[1]) +
            (nstk_load_v4(&w[28]) * h1_0[3])));
        const nstk_v4 s0 = nstk_load_v4(&w[32]) * h2_0;
        *y0 = ((s0[0] + s0[2]) + (s0[1] + s0[3])) + w[36];
    }
    { /* 2-8-8-1 */
        const float *const w = inverse_kinematics_surrogate_w1;
        const nstk_v4 h1_0 = inverse_kinematics_surrogate_act0_v4((nstk_load_v4(&w[0]) + (nstk_load_v4(&w[8]) *
            x0)) + ((nstk_load_v4(&w[16]) * x1)));
        const nstk_v4 h1_1 = inverse_kinematics_surrogate_act0_v4((nstk_load_v4(&w[4]) + (nstk_load_v4(&w[12]) *
            x0)) + ((nstk_load_v4(&w[20]) * x1)));
        const nstk_v4 h2_0 = inverse_kinematics_surrogate_act1_v4((nstk_load_v4(&w[24]) + (nstk_load_v4(&w[32])
            * h1_0[0]) + (nstk_load_v4(&w[48]) * h1_0[2]) + (nstk_load_v4(&w[64]) * h1_1[0]) +
            (nstk_load_v4(&w[80]) * h1_1[2])) + ((nstk_load_v4(&w[40]) * h1_0[1]) + (nstk_load_v4(&w[56]) *
            h1_0[3]) + (nstk_load_v4(&w[72]) * h1_1[1]) + (nstk_load_v4(&w[88]) * h1_1[3])));
        const nstk_v4 h2_1 = inverse_kinematics_surrogate_act1_v4((nstk_load_v4(&w[28]) + (nstk_load_v4(&w[36])
            * h1_0[0]) + (nstk_load_v4(&w[52]) * h1_0[2]) + (nstk_load_v4(&w[68]) * h1_1[0]) +
            (nstk_load_v4(&w[84]) * h1_1[2])) + ((nstk_load_v4(&w[44]) * h1_0[1]) + (nstk_load_v4(&w[60]) *
            h1_0[3]) + (nstk_load_v4(&w[76]) * h1_1[1]) + (nstk_load_v4(&w[92]) * h1_1[3])));
        const nstk_v4 s0 = (nstk_load_v4(&w[96]) * h2_0) + (nstk_load_v4(&w[100]) * h2_1);
        *y1 = ((s0[0] + s0[2]) + (s0[1] + s0[3])) + w[104];
    }
}

static inline nstk_vn inverse_kinematics_surrogate_act0_vn(nstk_vn u)
{
    const float *const c = inverse_kinematics_surrogate_tanh0;
    const nstk_vn v = u;
    const nstk_vn s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline nstk_vn inverse_kinematics_surrogate_act1_vn(nstk_vn u)
{
    const float *const c = inverse_kinematics_surrogate_tanh1;
    const nstk_vn v = nstk_clamp_vn(u, -c[6], c[6]);
    const nstk_vn s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void inverse_kinematics_surrogate_core_vn(nstk_vn x0a, nstk_vn x1a, nstk_vn x0b, nstk_vn x1b, nstk_vn *y0a, nstk_vn *y1a, nstk_vn *y0b, nstk_vn *y1b)
{
    x0a = nstk_clamp_vn(x0a, INVERSE_KINEMATICS_SURROGATE_X_LO, INVERSE_KINEMATICS_SURROGATE_X_HI);
    x0b = nstk_clamp_vn(x0b, INVERSE_KINEMATICS_SURROGATE_X_LO, INVERSE_KINEMATICS_SURROGATE_X_HI);
    x1a = nstk_clamp_vn(x1a, INVERSE_KINEMATICS_SURROGATE_Y_LO, INVERSE_KINEMATICS_SURROGATE_Y_HI);
    x1b = nstk_clamp_vn(x1b, INVERSE_KINEMATICS_SURROGATE_Y_LO, INVERSE_KINEMATICS_SURROGATE_Y_HI);
    x1a -= INVERSE_KINEMATICS_SURROGATE_Y_CENTER;
    x1b -= INVERSE_KINEMATICS_SURROGATE_Y_CENTER;
    { /* 2-4-4-1 */
        const float *const w = inverse_kinematics_surrogate_w0;
        const nstk_vn h1_0a = inverse_kinematics_surrogate_act0_vn((w[0] + (w[4] * x0a)) + ((w[8] * x1a)));
        const nstk_vn h1_0b = inverse_kinematics_surrogate_act0_vn((w[0] + (w[4] * x0b)) + ((w[8] * x1b)));
        const nstk_vn h1_1a = inverse_kinematics_surrogate_act0_vn((w[1] + (w[5] * x0a)) + ((w[9] * x1a)));
        const nstk_vn h1_1b = inverse_kinematics_surrogate_act0_vn((w[1] + (w[5] * x0b)) + ((w[9] * x1b)));
        const nstk_vn h1_2a = inverse_kinematics_surrogate_act0_vn((w[2] + (w[6] * x0a)) + ((w[10] * x1a)));
        const nstk_vn h1_2b = inverse_kinematics_surrogate_act0_vn((w[2] + (w[6] * x0b)) + ((w[10] * x1b)));
        const nstk_vn h1_3a = inverse_kinematics_surrogate_act0_vn((w[3] + (w[7] * x0a)) + ((w[11] * x1a)));
        const nstk_vn h1_3b = inverse_kinematics_surrogate_act0_vn((w[3] + (w[7] * x0b)) + ((w[11] * x1b)));
        const nstk_vn h2_0a = inverse_kinematics_surrogate_act1_vn((w[12] + (w[16] * h1_0a) + (w[24] * h1_2a)) +
            ((w[20] * h1_1a) + (w[28] * h1_3a)));
        const nstk_vn h2_0b = inverse_kinematics_surrogate_act1_vn((w[12] + (w[16] * h1_0b) + (w[24] * h1_2b)) +
            ((w[20] * h1_1b) + (w[28] * h1_3b)));
        const nstk_vn h2_1a = inverse_kinematics_surrogate_act1_vn((w[13] + (w[17] * h1_0a) + (w[25] * h1_2a)) +
            ((w[21] * h1_1a) + (w[29] * h1_3a)));
        const nstk_vn h2_1b = inverse_kinematics_surrogate_act1_vn((w[13] + (w[17] * h1_0b) + (w[25] * h1_2b)) +
            ((w[21] * h1_1b) + (w[29] * h1_3b)));
        const nstk_vn h2_2a = inverse_kinematics_surrogate_act1_vn((w[14] + (w[18] * h1_0a) + (w[26] * h1_2a)) +
            ((w[22] * h1_1a) + (w[30] * h1_3a)));
        const nstk_vn h2_2b = inverse_kinematics_surrogate_act1_vn((w[14] + (w[18] * h1_0b) + (w[26] * h1_2b)) +
            ((w[22] * h1_1b) + (w[30] * h1_3b)));
        const nstk_vn h2_3a = inverse_kinematics_surrogate_act1_vn((w[15] + (w[19] * h1_0a) + (w[27] * h1_2a)) +
            ((w[23] * h1_1a) + (w[31] * h1_3a)));
        const nstk_vn h2_3b = inverse_kinematics_surrogate_act1_vn((w[15] + (w[19] * h1_0b) + (w[27] * h1_2b)) +
            ((w[23] * h1_1b) + (w[31] * h1_3b)));
        *y0a = (((w[32] * h2_0a) + (w[34] * h2_2a)) + ((w[33] * h2_1a) + (w[35] * h2_3a))) + w[36];
        *y0b = (((w[32] * h2_0b) + (w[34] * h2_2b)) + ((w[33] * h2_1b) + (w[35] * h2_3b))) + w[36];
    }
    { /* 2-8-8-1 */
        const float *const w = inverse_kinematics_surrogate_w1;
        const nstk_vn h1_0a = inverse_kinematics_surrogate_act0_vn((w[0] + (w[8] * x0a)) + ((w[16] * x1a)));
        const nstk_vn h1_0b = inverse_kinematics_surrogate_act0_vn((w[0] + (w[8] * x0b)) + ((w[16] * x1b)));
        const nstk_vn h1_1a = inverse_kinematics_surrogate_act0_vn((w[1] + (w[9] * x0a)) + ((w[17] * x1a)));
        const nstk_vn h1_1b = inverse_kinematics_surrogate_act0_vn((w[1] + (w[9] * x0b)) + ((w[17] * x1b)));
        const nstk_vn h1_2a = inverse_kinematics_surrogate_act0_vn((w[2] + (w[10] * x0a)) + ((w[18] * x1a)));
        const nstk_vn h1_2b = inverse_kinematics_surrogate_act0_vn((w[2] + (w[10] * x0b)) + ((w[18] * x1b)));
        const nstk_vn h1_3a = inverse_kinematics_surrogate_act0_vn((w[3] + (w[11] * x0a)) + ((w[19] * x1a)));
        const nstk_vn h1_3b = inverse_kinematics_surrogate_act0_vn((w[3] + (w[11] * x0b)) + ((w[19] * x1b)));
        const nstk_vn h1_4a = inverse_kinematics_surrogate_act0_vn((w[4] + (w[12] * x0a)) + ((w[20] * x1a)));
        const nstk_vn h1_4b = inverse_kinematics_surrogate_act0_vn((w[4] + (w[12] * x0b)) + ((w[20] * x1b)));
        const nstk_vn h1_5a = inverse_kinematics_surrogate_act0_vn((w[5] + (w[13] * x0a)) + ((w[21] * x1a)));
        const nstk_vn h1_5b = inverse_kinematics_surrogate_act0_vn((w[5] + (w[13] * x0b)) + ((w[21] * x1b)));
        const nstk_vn h1_6a = inverse_kinematics_surrogate_act0_vn((w[6] + (w[14] * x0a)) + ((w[22] * x1a)));
        const nstk_vn h1_6b = inverse_kinematics_surrogate_act0_vn((w[6] + (w[14] * x0b)) + ((w[22] * x1b)));
        const nstk_vn h1_7a = inverse_kinematics_surrogate_act0_vn((w[7] + (w[15] * x0a)) + ((w[23] * x1a)));
        const nstk_vn h1_7b = inverse_kinematics_surrogate_act0_vn((w[7] + (w[15] * x0b)) + ((w[23] * x1b)));
        const nstk_vn h2_0a = inverse_kinematics_surrogate_act1_vn((w[24] + (w[32] * h1_0a) + (w[48] * h1_2a) +
            (w[64] * h1_4a) + (w[80] * h1_6a)) + ((w[40] * h1_1a) + (w[56] * h1_3a) + (w[72] * h1_5a) + (w[88] *
            h1_7a)));
        const nstk_vn h2_0b = inverse_kinematics_surrogate_act1_vn((w[24] + (w[32] * h1_0b) + (w[48] * h1_2b) +
            (w[64] * h1_4b) + (w[80] * h1_6b)) + ((w[40] * h1_1b) + (w[56] * h1_3b) + (w[72] * h1_5b) + (w[88] *
            h1_7b)));
        const nstk_vn h2_1a = inverse_kinematics_surrogate_act1_vn((w[25] + (w[33] * h1_0a) + (w[49] * h1_2a) +
            (w[65] * h1_4a) + (w[81] * h1_6a)) + ((w[41] * h1_1a) + (w[57] * h1_3a) + (w[73] * h1_5a) + (w[89] *
            h1_7a)));
        const nstk_vn h2_1b = inverse_kinematics_surrogate_act1_vn((w[25] + (w[33] * h1_0b) + (w[49] * h1_2b) +
            (w[65] * h1_4b) + (w[81] * h1_6b)) + ((w[41] * h1_1b) + (w[57] * h1_3b) + (w[73] * h1_5b) + (w[89] *
            h1_7b)));
        const nstk_vn h2_2a = inverse_kinematics_surrogate_act1_vn((w[26] + (w[34] * h1_0a) + (w[50] * h1_2a) +
            (w[66] * h1_4a) + (w[82] * h1_6a)) + ((w[42] * h1_1a) + (w[58] * h1_3a) + (w[74] * h1_5a) + (w[90] *
            h1_7a)));
        const nstk_vn h2_2b = inverse_kinematics_surrogate_act1_vn((w[26] + (w[34] * h1_0b) + (w[50] * h1_2b) +
            (w[66] * h1_4b) + (w[82] * h1_6b)) + ((w[42] * h1_1b) + (w[58] * h1_3b) + (w[74] * h1_5b) + (w[90] *
            h1_7b)));
        const nstk_vn h2_3a = inverse_kinematics_surrogate_act1_vn((w[27] + (w[35] * h1_0a) + (w[51] * h1_2a) +
            (w[67] * h1_4a) + (w[83] * h1_6a)) + ((w[43] * h1_1a) + (w[59] * h1_3a) + (w[75] * h1_5a) + (w[91] *
            h1_7a)));
        const nstk_vn h2_3b = inverse_kinematics_surrogate_act1_vn((w[27] + (w[35] * h1_0b) + (w[51] * h1_2b) +
            (w[67] * h1_4b) + (w[83] * h1_6b)) + ((w[43] * h1_1b) + (w[59] * h1_3b) + (w[75] * h1_5b) + (w[91] *
            h1_7b)));
        const nstk_vn h2_4a = inverse_kinematics_surrogate_act1_vn((w[28] + (w[36] * h1_0a) + (w[52] * h1_2a) +
            (w[68] * h1_4a) + (w[84] * h1_6a)) + ((w[44] * h1_1a) + (w[60] * h1_3a) + (w[76] * h1_5a) + (w[92] *
            h1_7a)));
        const nstk_vn h2_4b = inverse_kinematics_surrogate_act1_vn((w[28] + (w[36] * h1_0b) + (w[52] * h1_2b) +
            (w[68] * h1_4b) + (w[84] * h1_6b)) + ((w[44] * h1_1b) + (w[60] * h1_3b) + (w[76] * h1_5b) + (w[92] *
            h1_7b)));
        const nstk_vn h2_5a = inverse_kinematics_surrogate_act1_vn((w[29] + (w[37] * h1_0a) + (w[53] * h1_2a) +
            (w[69] * h1_4a) + (w[85] * h1_6a)) + ((w[45] * h1_1a) + (w[61] * h1_3a) + (w[77] * h1_5a) + (w[93] *
            h1_7a)));
        const nstk_vn h2_5b = inverse_kinematics_surrogate_act1_vn((w[29] + (w[37] * h1_0b) + (w[53] * h1_2b) +
            (w[69] * h1_4b) + (w[85] * h1_6b)) + ((w[45] * h1_1b) + (w[61] * h1_3b) + (w[77] * h1_5b) + (w[93] *
            h1_7b)));
        const nstk_vn h2_6a = inverse_kinematics_surrogate_act1_vn((w[30] + (w[38] * h1_0a) + (w[54] * h1_2a) +
            (w[70] * h1_4a) + (w[86] * h1_6a)) + ((w[46] * h1_1a) + (w[62] * h1_3a) + (w[78] * h1_5a) + (w[94] *
            h1_7a)));
        const nstk_vn h2_6b = inverse_kinematics_surrogate_act1_vn((w[30] + (w[38] * h1_0b) + (w[54] * h1_2b) +
            (w[70] * h1_4b) + (w[86] * h1_6b)) + ((w[46] * h1_1b) + (w[62] * h1_3b) + (w[78] * h1_5b) + (w[94] *
            h1_7b)));
        const nstk_vn h2_7a = inverse_kinematics_surrogate_act1_vn((w[31] + (w[39] * h1_0a) + (w[55] * h1_2a) +
            (w[71] * h1_4a) + (w[87] * h1_6a)) + ((w[47] * h1_1a) + (w[63] * h1_3a) + (w[79] * h1_5a) + (w[95] *
            h1_7a)));
        const nstk_vn h2_7b = inverse_kinematics_surrogate_act1_vn((w[31] + (w[39] * h1_0b) + (w[55] * h1_2b) +
            (w[71] * h1_4b) + (w[87] * h1_6b)) + ((w[47] * h1_1b) + (w[63] * h1_3b) + (w[79] * h1_5b) + (w[95] *
            h1_7b)));
        *y1a = ((((w[96] * h2_0a) + (w[100] * h2_4a)) + ((w[98] * h2_2a) + (w[102] * h2_6a))) + (((w[97] *
            h2_1a) + (w[101] * h2_5a)) + ((w[99] * h2_3a) + (w[103] * h2_7a)))) + w[104];
        *y1b = ((((w[96] * h2_0b) + (w[100] * h2_4b)) + ((w[98] * h2_2b) + (w[102] * h2_6b))) + (((w[97] *
            h2_1b) + (w[101] * h2_5b)) + ((w[99] * h2_3b) + (w[103] * h2_7b)))) + w[104];
    }
}

#else
static inline float inverse_kinematics_surrogate_act0(float u)
{
    const float *const c = inverse_kinematics_surrogate_tanh0;
    const float v = u;
    const float s = v * v;
    return (v * (((s + c[0]) * s) + c[1])) / (((s + c[2]) * s) + c[3]);
}

static inline float inverse_kinematics_surrogate_act1(float u)
{
    const float *const c = inverse_kinematics_surrogate_tanh1;
    const float v = nstk_clamp(u, -c[6], c[6]);
    const float s = v * v;
    return (v * (((((s + c[0]) * s) + c[1]) * s) + c[2])) / (((((s + c[3]) * s) + c[4]) * s) + c[5]);
}

static inline void inverse_kinematics_surrogate_core(float x0, float x1, float *y0, float *y1)
{
    x0 = nstk_clamp(x0, INVERSE_KINEMATICS_SURROGATE_X_LO, INVERSE_KINEMATICS_SURROGATE_X_HI);
    x1 = nstk_clamp(x1, INVERSE_KINEMATICS_SURROGATE_Y_LO, INVERSE_KINEMATICS_SURROGATE_Y_HI);
    x1 -= INVERSE_KINEMATICS_SURROGATE_Y_CENTER;
    { /* 2-4-4-1 */
        const float *const w = inverse_kinematics_surrogate_w0;
        const float h1_0 = inverse_kinematics_surrogate_act0((w[0] + (w[4] * x0)) + ((w[8] * x1)));
        const float h1_1 = inverse_kinematics_surrogate_act0((w[1] + (w[5] * x0)) + ((w[9] * x1)));
        const float h1_2 = inverse_kinematics_surrogate_act0((w[2] + (w[6] * x0)) + ((w[10] * x1)));
        const float h1_3 = inverse_kinematics_surrogate_act0((w[3] + (w[7] * x0)) + ((w[11] * x1)));
        const float h2_0 = inverse_kinematics_surrogate_act1((w[12] + (w[16] * h1_0) + (w[24] * h1_2)) + ((w[20]
            * h1_1) + (w[28] * h1_3)));
        const float h2_1 = inverse_kinematics_surrogate_act1((w[13] + (w[17] * h1_0) + (w[25] * h1_2)) + ((w[21]
            * h1_1) + (w[29] * h1_3)));
        const float h2_2 = inverse_kinematics_surrogate_act1((w[14] + (w[18] * h1_0) + (w[26] * h1_2)) + ((w[22]
            * h1_1) + (w[30] * h1_3)));
        const float h2_3 = inverse_kinematics_surrogate_act1((w[15] + (w[19] * h1_0) + (w[27] * h1_2)) + ((w[23]
            * h1_1) + (w[31] * h1_3)));
        *y0 = (((w[32] * h2_0) + (w[34] * h2_2)) + ((w[33] * h2_1) + (w[35] * h2_3))) + w[36];
    }
    { /* 2-8-8-1 */
        const float *const w = inverse_kinematics_surrogate_w1;
        const float h1_0 = inverse_kinematics_surrogate_act0((w[0] + (w[8] * x0)) + ((w[16] * x1)));
        const float h1_1 = inverse_kinematics_surrogate_act0((w[1] + (w[9] * x0)) + ((w[17] * x1)));
        const float h1_2 = inverse_kinematics_surrogate_act0((w[2] + (w[10] * x0)) + ((w[18] * x1)));
        const float h1_3 = inverse_kinematics_surrogate_act0((w[3] + (w[11] * x0)) + ((w[19] * x1)));
        const float h1_4 = inverse_kinematics_surrogate_act0((w[4] + (w[12] * x0)) + ((w[20] * x1)));
        const float h1_5 = inverse_kinematics_surrogate_act0((w[5] + (w[13] * x0)) + ((w[21] * x1)));
        const float h1_6 = inverse_kinematics_surrogate_act0((w[6] + (w[14] * x0)) + ((w[22] * x1)));
        const float h1_7 = inverse_kinematics_surrogate_act0((w[7] + (w[15] * x0)) + ((w[23] * x1)));
        const float h2_0 = inverse_kinematics_surrogate_act1((w[24] + (w[32] * h1_0) + (w[48] * h1_2) + (w[64] *
            h1_4) + (w[80] * h1_6)) + ((w[40] * h1_1) + (w[56] * h1_3) + (w[72] * h1_5) + (w[88] * h1_7)));
        const float h2_1 = inverse_kinematics_surrogate_act1((w[25] + (w[33] * h1_0) + (w[49] * h1_2) + (w[65] *
            h1_4) + (w[81] * h1_6)) + ((w[41] * h1_1) + (w[57] * h1_3) + (w[73] * h1_5) + (w[89] * h1_7)));
        const float h2_2 = inverse_kinematics_surrogate_act1((w[26] + (w[34] * h1_0) + (w[50] * h1_2) + (w[66] *
            h1_4) + (w[82] * h1_6)) + ((w[42] * h1_1) + (w[58] * h1_3) + (w[74] * h1_5) + (w[90] * h1_7)));
        const float h2_3 = inverse_kinematics_surrogate_act1((w[27] + (w[35] * h1_0) + (w[51] * h1_2) + (w[67] *
            h1_4) + (w[83] * h1_6)) + ((w[43] * h1_1) + (w[59] * h1_3) + (w[75] * h1_5) + (w[91] * h1_7)));
        const float h2_4 = inverse_kinematics_surrogate_act1((w[28] + (w[36] * h1_0) + (w[52] * h1_2) + (w[68] *
            h1_4) + (w[84] * h1_6)) + ((w[44] * h1_1) + (w[60] * h1_3) + (w[76] * h1_5) + (w[92] * h1_7)));
        const float h2_5 = inverse_kinematics_surrogate_act1((w[29] + (w[37] * h1_0) + (w[53] * h1_2) + (w[69] *
            h1_4) + (w[85] * h1_6)) + ((w[45] * h1_1) + (w[61] * h1_3) + (w[77] * h1_5) + (w[93] * h1_7)));
        const float h2_6 = inverse_kinematics_surrogate_act1((w[30] + (w[38] * h1_0) + (w[54] * h1_2) + (w[70] *
            h1_4) + (w[86] * h1_6)) + ((w[46] * h1_1) + (w[62] * h1_3) + (w[78] * h1_5) + (w[94] * h1_7)));
        const float h2_7 = inverse_kinematics_surrogate_act1((w[31] + (w[39] * h1_0) + (w[55] * h1_2) + (w[71] *
            h1_4) + (w[87] * h1_6)) + ((w[47] * h1_1) + (w[63] * h1_3) + (w[79] * h1_5) + (w[95] * h1_7)));
        *y1 = ((((w[96] * h2_0) + (w[100] * h2_4)) + ((w[98] * h2_2) + (w[102] * h2_6))) + (((w[97] * h2_1) +
            (w[101] * h2_5)) + ((w[99] * h2_3) + (w[103] * h2_7)))) + w[104];
    }
}
#endif

static inline void inverse_kinematics_surrogate_f(float x, float y, float *theta1, float *theta2)
{
    inverse_kinematics_surrogate_core(x, y, theta1, theta2);
}

static inline void inverse_kinematics_surrogate(float x, float y, float *theta1, float *theta2)
{
    float y_2;
    float y_3;
    inverse_kinematics_surrogate_f(x, y, &y_2, &y_3);
    *theta1 = y_2;
    *theta2 = y_3;
}

static inline void inverse_kinematics_surrogate_batch(size_t n, const float *x, const float *y, float *theta1, float *theta2)
{
    size_t i = 0;
#if defined(NSTK_LANES)
    for (; (i + (2U * NSTK_LANES)) <= n; i += 2U * NSTK_LANES) {
        nstk_vn v;
        nstk_vn v_2;
        nstk_vn v_3;
        nstk_vn v_4;
        inverse_kinematics_surrogate_core_vn(nstk_load_vn(&x[i]), nstk_load_vn(&y[i]), nstk_load_vn(&x[i + NSTK_LANES]), nstk_load_vn(&y[i + NSTK_LANES]), &v, &v_2, &v_3, &v_4);
        nstk_store_vn(&theta1[i], v);
        nstk_store_vn(&theta2[i], v_2);
        nstk_store_vn(&theta1[i + NSTK_LANES], v_3);
        nstk_store_vn(&theta2[i + NSTK_LANES], v_4);
    }
#endif
    for (; i < n; i++) {
        inverse_kinematics_surrogate_f(x[i], y[i], &theta1[i], &theta2[i]);
    }
}

#endif
