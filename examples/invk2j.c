/*
 * Inverse kinematics of a planar arm with two joints: the joint angles that
 * bring the tip to (x, y). The kernel of AxBench's inversek2j benchmark.
 */
#include <math.h>

#define L1 0.5f /* length of the first link */
#define L2 0.5f /* length of the second link */

/* x, y: tip position, within reach of the arm (0 < x*x + y*y <= 1). theta1, theta2: joint angles in radians. */
/* nstk: x=0.1:0.65, y=0.1:0.65; outputs: theta1, theta2; tolerance: 0.1% */
void inverse_kinematics(float x, float y, float *theta1, float *theta2)
{
    const float square = x * x + y * y;

    *theta2 = acosf((square - L1 * L1 - L2 * L2) / (2.0f * L1 * L2));
    *theta1 = asinf((y * (L1 + L2 * cosf(*theta2)) - x * L2 * sinf(*theta2)) / square);
}
