/*
 * Neural surrogate of dew_point() in dew_point.c, emitted by nstk 0.1.0.
 *
 * network    2-4-4-1 -> result (sigmoid, linear output; size style)
 * domain     t in [-20, 60] (not clamped: meaningless outside)
 * domain     rh in [1, 100] (not clamped: meaningless outside)
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

#ifndef NSTK_DENSE_H
#define NSTK_DENSE_H
/* nstk_dense.h: a dense layer and its activation as loops, for the smallest code.
 *
 * A hidden layer's constants are its biases, then one column of weights per input.
 */
static inline const float *nstk_dense(const float *w, const float *x, size_t inputs, float *u, size_t units)
{
    const float *next = w;
    size_t i;
    size_t k;
    for (k = 0; k < units; k++) {
        u[k] = *next;
        next++;
    }
    for (i = 0; i < inputs; i++) {
        for (k = 0; k < units; k++) {
            u[k] += *next * x[i];
            next++;
        }
    }
    return next;
}

/* Output layer: a row of weights per output, then the biases. */
static inline void nstk_output(const float *w, const float *h, size_t inputs, float *y, size_t outputs)
{
    const float *const bias = &w[inputs * outputs];
    size_t i;
    size_t k;
    for (k = 0; k < outputs; k++) {
        const float *const row = &w[k * inputs];
        float sum = bias[k];
        for (i = 0; i < inputs; i++) {
            sum += row[i] * h[i];
        }
        y[k] = sum;
    }
}

/* u P(u^2) / Q(u^2) on every unit, both monic. c: P's coefficients and Q's, highest power first, then the clamp. */
static inline void nstk_tanh(const float *c, size_t p, size_t q, float *u, size_t units)
{
    const float limit = c[p + q];
    size_t i;
    size_t k;
    for (k = 0; k < units; k++) {
        const float v = nstk_clamp(u[k], -limit, limit);
        const float s = v * v;
        float above = 1.0f;
        float below = 1.0f;
        for (i = 0; i < p; i++) {
            above = (above * s) + c[i];
        }
        for (i = p; i < (p + q); i++) {
            below = (below * s) + c[i];
        }
        u[k] = (v * above) / below;
    }
}
#endif

#define DEW_POINT_SURROGATE_T_LO (-20.0f)
#define DEW_POINT_SURROGATE_T_HI 60.0f
#define DEW_POINT_SURROGATE_RH_LO 1.0f
#define DEW_POINT_SURROGATE_RH_HI 100.0f

static const float dew_point_surrogate_w0[37] = {
    -0.6021376f, 0.120037116f, 0.22797294f, 0.23985188f, -0.38096768f, 0.04322411f, -0.9733839f, 0.3918396f,
    0.97814983f, 0.14909148f, -0.50562084f, 0.6445721f, 0.042818654f, -0.30356815f, 0.49036312f, 0.35759613f,
    0.17099056f, 0.34813607f, 0.13159463f, -0.5240631f, -0.43450758f, 0.9783517f, -0.019679604f, 0.7469588f,
    0.46814507f, -0.31291944f, 0.5752374f, -0.2981368f, -0.0658021f, 0.30350307f, -0.8379411f, -0.77926534f,
    -0.5844462f, -0.13078506f, -0.0566332f, -0.34294167f, -0.5616675f
};

static const float dew_point_surrogate_tanh0[5] = {
    140.25f, 20.5f, 61.125f, 3.5f, 2.75f
};

static const float dew_point_surrogate_tanh1[7] = {
    1025.5f, 210.0f, 9.5f, 410.5f, 77.0f, 2.25f, 7.25f
};

static inline void dew_point_surrogate_core(const float *in, float *out)
{
    float x[2];
    float a[4];
    float b[4];
    size_t i;
    for (i = 0; i < 2U; i++) {
        x[i] = in[i];
    }
    { /* 2-4-4-1 */
        const float *w = dew_point_surrogate_w0;
        float y[1];
        w = nstk_dense(w, x, 2, a, 4);
        nstk_tanh(dew_point_surrogate_tanh0, 2, 2, a, 4);
        w = nstk_dense(w, a, 4, b, 4);
        nstk_tanh(dew_point_surrogate_tanh1, 3, 3, b, 4);
        nstk_output(w, b, 4, y, 1);
        out[0] = y[0];
    }
}

static inline float dew_point_surrogate_f(float t, float rh)
{
    const float x[2] = {t, rh};
    float y[1];
    dew_point_surrogate_core(x, y);
    return y[0];
}

static inline float dew_point_surrogate(float t, float rh)
{
    const float y = dew_point_surrogate_f(t, rh);
    return y;
}

static inline void dew_point_surrogate_batch(size_t n, const float *t, const float *rh, float *result)
{
    size_t i;
    for (i = 0; i < n; i++) {
        result[i] = dew_point_surrogate_f(t[i], rh[i]);
    }
}

#endif
