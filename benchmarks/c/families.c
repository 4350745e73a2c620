/* Smooth functions of one, two and three inputs that differ in nothing else: where do tables end and surrogates begin? */
#include <math.h>

/* nstk: x=-1:1 */
float bell1(float x)
{
    return expf(-2.0f * x * x);
}

/* nstk: x=-1:1, y=-1:1 */
float bell2(float x, float y)
{
    return expf(-2.0f * (x * x + y * y));
}

/* nstk: x=-1:1, y=-1:1, z=-1:1 */
float bell3(float x, float y, float z)
{
    return expf(-2.0f * (x * x + y * y + z * z));
}

/* nstk: x=-1:1 */
float wave1(float x)
{
    return sinf(3.0f * x);
}

/* nstk: x=-1:1, y=-1:1 */
float wave2(float x, float y)
{
    return sinf(3.0f * x + 2.0f * y);
}

/* nstk: x=-1:1, y=-1:1, z=-1:1 */
float wave3(float x, float y, float z)
{
    return sinf(3.0f * x + 2.0f * y + z);
}

/* nstk: x=-1:1 */
float length1(float x)
{
    return sqrtf(x * x + 0.05f);
}

/* nstk: x=-1:1, y=-1:1 */
float length2(float x, float y)
{
    return sqrtf(x * x + y * y + 0.05f);
}

/* nstk: x=-1:1, y=-1:1, z=-1:1 */
float length3(float x, float y, float z)
{
    return sqrtf(x * x + y * y + z * z + 0.05f);
}
