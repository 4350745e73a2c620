/*
 * Darcy friction factor of turbulent pipe flow: the Colebrook-White equation,
 * solved by fixed-point iteration, for flow meters and pump controllers.
 */
#include <math.h>

enum { ITERATIONS = 30 };

/* log_re: log10 of the Reynolds number; log_roughness: log10 of roughness over pipe diameter. Returns a pure number. */
/* nstk: log_re=3.6:8, log_roughness=-6:-1.3 */
float friction_factor(float log_re, float log_roughness)
{
    const float re = powf(10.0f, log_re);
    const float roughness = powf(10.0f, log_roughness);
    float s = 8.0f; /* 1 / sqrt(friction factor) */

    for (int i = 0; i < ITERATIONS; i++) {
        s = -2.0f * log10f(roughness / 3.7f + 2.51f * s / re);
    }
    return 1.0f / (s * s);
}
