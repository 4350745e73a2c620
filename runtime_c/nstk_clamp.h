/* nstk_clamp.h: one float, clamped; NaN stays NaN. */

/* A value the compiler knows nothing about, in a register of the kind that holds floats: from what it knows after a
   selection gcc makes branches, and two paths of the code that follows. Clang does not. */
#if !defined(__GNUC__) || defined(__clang__)
#define NSTK_SELECTED(x) ((void)0)
#elif defined(__arm__) && defined(__ARM_FP)
#define NSTK_SELECTED(x) __asm__("" : "+t"(x))
#elif defined(__riscv_flen)
#define NSTK_SELECTED(x) __asm__("" : "+f"(x))
#elif defined(__arm__) || defined(__riscv) || defined(__AVR__)
#define NSTK_SELECTED(x) __asm__("" : "+r"(x))
#else
#define NSTK_SELECTED(x) ((void)0)
#endif

static inline float nstk_clamp(float x, float lo, float hi)
{
#if defined(__SSE2__) && defined(__GNUC__)
    /* Written with ?: alone, gcc turns this into branches. */
    typedef float v4 __attribute__((vector_size(16)));
    const v4 l = {lo, 0.0f, 0.0f, 0.0f};
    const v4 h = {hi, 0.0f, 0.0f, 0.0f};
    const v4 v = {x, 0.0f, 0.0f, 0.0f};
    return __builtin_ia32_minss(h, __builtin_ia32_maxss(l, v))[0];
#else
    float y = (x < lo) ? lo : x;
    NSTK_SELECTED(y);
    y = (y > hi) ? hi : y;
    NSTK_SELECTED(y);
    return y;
#endif
}
