/*
 * Temperature of an NTC thermistor (10 kohm at 25 degrees Celsius) from its
 * resistance, by the Steinhart-Hart equation.
 */
#include <math.h>

static const float SH_A = 1.129148e-3f;
static const float SH_B = 2.34125e-4f;
static const float SH_C = 8.76741e-8f;

#define KELVIN_OFFSET 273.15f

/* r: resistance in ohm, above 0. Returns degrees Celsius. */
/* nstk: r=1000:50000 */
float thermistor_celsius(float r)
{
    const float ln_r = logf(r);

    return 1.0f / (SH_A + SH_B * ln_r + SH_C * ln_r * ln_r * ln_r) - KELVIN_OFFSET;
}
