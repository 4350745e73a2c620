/* nstk_clamp.h: one float, clamped; NaN stays NaN. */
static inline float nstk_clamp(float x, float lo, float hi)
{
#if defined(__SSE2__) && defined(__GNUC__)
    /* Written with ?: alone, gcc turns this into branches. */
    typedef float v4 __attribute__((vector_size(16)));
    const v4 l = {lo, 0.0f, 0.0f, 0.0f}, h = {hi, 0.0f, 0.0f, 0.0f}, v = {x, 0.0f, 0.0f, 0.0f};
    return __builtin_ia32_minss(h, __builtin_ia32_maxss(l, v))[0];
#else
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
#endif
}
