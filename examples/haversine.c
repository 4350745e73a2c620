/*
 * Great-circle distance between two positions on a spherical earth, as used
 * by trackers and geofences. The domain covers Switzerland.
 */
#include <math.h>

#define EARTH_RADIUS_KM 6371.0f
#define RADIANS(degrees) ((degrees) * 0.017453292519943295f)

static float haversine_of(float angle)
{
    const float s = sinf(0.5f * angle);

    return s * s;
}

/* Latitudes and longitudes in degrees. Returns kilometres. */
/* nstk: lat1=45:47, lon1=5:8, lat2=45:47, lon2=5:8 */
float haversine(float lat1, float lon1, float lat2, float lon2)
{
    const float phi1 = RADIANS(lat1);
    const float phi2 = RADIANS(lat2);
    const float h = haversine_of(phi2 - phi1) + cosf(phi1) * cosf(phi2) * haversine_of(RADIANS(lon2 - lon1));

    return 2.0f * EARTH_RADIUS_KM * asinf(sqrtf(h));
}
