/*
 * Neural surrogate of inverse_kinematics() in invk2j.c, emitted by nstk 0.1.0.
 *
 * network    2-4-4-1 -> theta1 (sigmoid, linear output; size style)
 * network    2-8-8-1 -> theta2 (sigmoid, linear output; size style)
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

#define INVERSE_KINEMATICS_SURROGATE_X_LO 0.1f
#define INVERSE_KINEMATICS_SURROGATE_X_HI 0.65f
#define INVERSE_KINEMATICS_SURROGATE_Y_LO 0.1f
#define INVERSE_KINEMATICS_SURROGATE_Y_HI 0.65f
#define INVERSE_KINEMATICS_SURROGATE_Y_CENTER 0.375f

static const float inverse_kinematics_surrogate_w0[37] = {
    -0.12566999f, 0.71310073f, 0.01773283f, 0.3674879f, 0.09476039f, 0.40967575f, 0.35463434f, 0.16258061f,
    -0.87058204f, 0.5907423f, -0.983566f, 0.24167837f, -0.8960218f, -0.6697913f, 0.2496237f, 0.15416405f,
    0.752191f, 0.79768556f, 0.17262301f, 0.022766223f, 0.53221214f, 0.5315127f, -0.73454887f, 0.65000683f,
    -0.9846284f, -0.16545565f, -0.76630664f, -0.17486426f, -0.12024203f, -0.17039126f, 0.72178304f, 0.59813434f,
    -0.2271773f, 0.9661585f, 0.8293082f, -0.6821614f, -0.17669284f
};

static const float inverse_kinematics_surrogate_w1[105] = {
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

static const float inverse_kinematics_surrogate_tanh0[5] = {
    140.25f, 20.5f, 61.125f, 3.5f, 2.75f
};

static const float inverse_kinematics_surrogate_tanh1[7] = {
    1025.5f, 210.0f, 9.5f, 410.5f, 77.0f, 2.25f, 7.25f
};

static inline void inverse_kinematics_surrogate_core(const float *in, float *out)
{
    float x[2];
    float a[8];
    float b[8];
    static const float lo[2] = {
        INVERSE_KINEMATICS_SURROGATE_X_LO, INVERSE_KINEMATICS_SURROGATE_Y_LO
    };
    static const float hi[2] = {
        INVERSE_KINEMATICS_SURROGATE_X_HI, INVERSE_KINEMATICS_SURROGATE_Y_HI
    };
    size_t i;
    for (i = 0; i < 2U; i++) {
        x[i] = nstk_clamp(in[i], lo[i], hi[i]);
    }
    x[1] -= INVERSE_KINEMATICS_SURROGATE_Y_CENTER;
    { /* 2-4-4-1 */
        const float *w = inverse_kinematics_surrogate_w0;
        float y[1];
        w = nstk_dense(w, x, 2, a, 4);
        nstk_tanh(inverse_kinematics_surrogate_tanh0, 2, 2, a, 4);
        w = nstk_dense(w, a, 4, b, 4);
        nstk_tanh(inverse_kinematics_surrogate_tanh1, 3, 3, b, 4);
        nstk_output(w, b, 4, y, 1);
        out[0] = y[0];
    }
    { /* 2-8-8-1 */
        const float *w = inverse_kinematics_surrogate_w1;
        float y[1];
        w = nstk_dense(w, x, 2, a, 8);
        nstk_tanh(inverse_kinematics_surrogate_tanh0, 2, 2, a, 8);
        w = nstk_dense(w, a, 8, b, 8);
        nstk_tanh(inverse_kinematics_surrogate_tanh1, 3, 3, b, 8);
        nstk_output(w, b, 8, y, 1);
        out[1] = y[0];
    }
}

static inline void inverse_kinematics_surrogate_f(float x, float y, float *theta1, float *theta2)
{
    const float x_2[2] = {x, y};
    float y_2[2];
    inverse_kinematics_surrogate_core(x_2, y_2);
    *theta1 = y_2[0];
    *theta2 = y_2[1];
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
    size_t i;
    for (i = 0; i < n; i++) {
        inverse_kinematics_surrogate_f(x[i], y[i], &theta1[i], &theta2[i]);
    }
}

#endif
