/*
 * Distance of two points in space, for example of two colours: the inner loop
 * of k-means clustering (AxBench's kmeans benchmark).
 */
#include <math.h>

/* nstk: a=0:1, b=0:1 */
float euclidean_distance(const float a[3], const float b[3])
{
    const float dx = a[0] - b[0];
    const float dy = a[1] - b[1];
    const float dz = a[2] - b[2];

    return sqrtf(dx * dx + dy * dy + dz * dz);
}
