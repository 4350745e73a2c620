/* Straightforward C: what one writes by hand. `weights.h` is written by inference.py. Each function is built alone,
   so that the compiler inlines the network into it. */

#include <math.h>
#include <stddef.h>

#include "weights.h"

static float sigmoid(float z) { return 1.0f / (1.0f + expf(-z)); }

static float net(const float *x) {
    float a[4], b[4];
    for (int i = 0; i < 4; i++) {
        float z = bias_0[i];
        for (int j = 0; j < 9; j++) {
            z += weight_0[i][j] * x[j];
        }
        a[i] = sigmoid(z);
    }
    for (int i = 0; i < 4; i++) {
        float z = bias_1[i];
        for (int j = 0; j < 4; j++) {
            z += weight_1[i][j] * a[j];
        }
        b[i] = sigmoid(z);
    }
    float z = bias_2[0];
    for (int j = 0; j < 4; j++) {
        z += weight_2[0][j] * b[j];
    }
    return z;
}

#ifdef SCALAR
EXPORT float run_scalar(const float *x) { return net(x); }
#else
EXPORT void run_batch(size_t n, const float *restrict columns, size_t stride, float *restrict y) {
    for (size_t i = 0; i < n; i++) {
        float x[9];
        for (int j = 0; j < 9; j++) {
            x[j] = columns[(size_t)j * stride + i];
        }
        y[i] = net(x);
    }
}
#endif
