/*
 * Kepler's equation M = E - e sin E: where a body stands on its orbit, for
 * orbit propagation on small satellites and for antenna pointing.
 */
#include <math.h>

enum { NEWTON_STEPS = 30 };

/* mean_anomaly in radians; eccentricity of the ellipse, below 1. Returns the eccentric anomaly in radians. */
/* nstk: mean_anomaly=0:3.14159265, eccentricity=0:0.8 */
float eccentric_anomaly(float mean_anomaly, float eccentricity)
{
    float e = mean_anomaly + eccentricity * sinf(mean_anomaly);

    for (int i = 0; i < NEWTON_STEPS; i++) {
        e -= (e - eccentricity * sinf(e) - mean_anomaly) / (1.0f - eccentricity * cosf(e));
    }
    return e;
}
