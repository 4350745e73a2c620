/* nstk_round.h: the float nearest to an integer result, half away from zero, kept in the result type's range.
 * NaN gives 0, since integers have no NaN.
 */
static inline float nstk_round(float y, float lo, float hi)
{
    const float number = (y == y) ? y : 0.0f;
    /* The float below 1/2: adding 1/2 itself would round 0.49999997 and odd numbers above 2^23 up. */
    const float half = (number < 0.0f) ? -0.49999997f : 0.49999997f;
    const float away = number + half;
    const float above = (away < lo) ? lo : away;
    return (above > hi) ? hi : above;
}
