/*
 * Sobel edge detection at the centre of a 3x3 window of grey values: gradient
 * magnitude, clamped to white. The kernel of AxBench's sobel benchmark.
 */
#include <math.h>

#define WINDOW 9 /* 3x3, row by row */

static const float SOBEL_X[WINDOW] = {-1, 0, 1, -2, 0, 2, -1, 0, 1};
static const float SOBEL_Y[WINDOW] = {-1, -2, -1, 0, 0, 0, 1, 2, 1};

static float convolve(const float w[WINDOW], const float kernel[WINDOW])
{
    float sum = 0.0f;

    for (int i = 0; i < WINDOW; i++) {
        sum += w[i] * kernel[i];
    }
    return sum;
}

/* w: grey values, 0 (black) to 1 (white). Returns the edge's strength, 0 to 1. */
/* nstk: w=0:1 */
float sobel(const float w[WINDOW])
{
    const float gx = convolve(w, SOBEL_X);
    const float gy = convolve(w, SOBEL_Y);
    const float magnitude = sqrtf(gx * gx + gy * gy);

    return magnitude < 1.0f ? magnitude : 1.0f;
}
