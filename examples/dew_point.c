/*
 * Dew point of humid air, from the temperature and relative humidity that a
 * combined sensor (SHT3x, BME280, ...) delivers. Magnus formula with the
 * coefficients of Alduchov and Eskridge (1996).
 */
#include <math.h>

#define MAGNUS_B 17.625f  /* dimensionless */
#define MAGNUS_C 243.04f  /* degrees Celsius */

/* t: air temperature in degrees Celsius; rh: relative humidity in percent, above 0. Returns degrees Celsius. */
/* nstk: t=-20:60, rh=1:100 */
float dew_point(float t, float rh)
{
    const float a = logf(rh / 100.0f) + MAGNUS_B * t / (MAGNUS_C + t);

    return MAGNUS_C * a / (MAGNUS_B - a);
}
