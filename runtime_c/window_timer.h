/* Times the sides of a comparison in interleaved windows, so that all meet the same disturbances. */
#include <stddef.h>
#include <time.h>

/* Evaluates its function `count` times. */
typedef void (*nstk_side)(size_t count);

/* Returns the seconds that `count` evaluations take. */
static double nstk_window(nstk_side side, size_t count)
{
    struct timespec t0, t1;

    clock_gettime(CLOCK_MONOTONIC, &t0);
    side(count);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    return (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
}

/* Returns how many evaluations take at least `seconds`, at most about twice as long; a multiple of `block` if more. */
static size_t nstk_calibrate(nstk_side side, size_t block, double seconds)
{
    size_t count = 1;
    double taken = nstk_window(side, count);

    while (taken < seconds) {
        count *= taken < seconds / 32 ? 16 : 2;
        taken = nstk_window(side, count);
    }
    return count < block ? count : count / block * block;
}

enum { nstk_most_sides = 8 };

/* Fills ns[s], nanoseconds per evaluation of each of at most 8 sides, one entry per window.
   Slow sides get fewer of the `most` windows, at least 3, to stay near `budget` seconds each. Returns how many. */
static size_t nstk_compare(const nstk_side *side, int sides, size_t block, double seconds, double budget, size_t most,
                           double *const *ns)
{
    size_t count[nstk_most_sides], windows = most;

    for (int s = 0; s < sides; s++) {
        double taken;

        count[s] = nstk_calibrate(side[s], block, seconds);
        taken = nstk_window(side[s], count[s]);
        if (taken * (double)windows > budget) {
            windows = (size_t)(budget / taken);
        }
    }
    windows = windows < 3 ? 3 : windows;
    for (size_t w = 0; w < windows; w++) {
        for (int s = 0; s < sides; s++) {
            ns[s][w] = 1e9 * nstk_window(side[s], count[s]) / (double)count[s];
        }
    }
    return windows;
}
