/*
 * Twiddle factor of a fast Fourier transform: sine and cosine of one turn.
 * The kernel of AxBench's fft benchmark, which also writes pi as 3.1415.
 */
#include <math.h>

#define PI 3.1415f

/* x: fraction of a full turn. */
/* nstk: x=0:1; outputs: sine, cosine */
void twiddle_factor(float x, float *sine, float *cosine)
{
    const float angle = -2.0f * PI * x;

    *sine = sinf(angle);
    *cosine = cosf(angle);
}
