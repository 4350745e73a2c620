/* Timing windows: one call of a function here is one short measurement, the smallest of many is the result. */

#include <stddef.h>
#include <time.h>

typedef float (*scalar_function)(const float *x);
typedef void (*batch_function)(size_t n, const float *columns, size_t stride, float *y);

volatile float sink;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Nanoseconds per evaluation of `n` inputs, 9 floats each, one call at a time. */
double scalar_window(scalar_function function, const float *x, size_t n) {
    scalar_function volatile called = function;
    float sum = 0.0f;
    const double start = seconds();
    for (size_t i = 0; i < n; i++) {
        sum += called(x + 9 * i);
    }
    const double end = seconds();
    sink = sum;
    return 1e9 * (end - start) / (double)n;
}

/* Nanoseconds per evaluation of one batch of `n` inputs in 9 columns, `stride` floats apart. */
double batch_window(batch_function function, size_t n, const float *columns, size_t stride, float *y) {
    batch_function volatile called = function;
    const double start = seconds();
    called(n, columns, stride, y);
    const double end = seconds();
    sink = y[n - 1];
    return 1e9 * (end - start) / (double)n;
}
