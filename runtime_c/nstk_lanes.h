/* nstk_lanes.h: vectors of floats through the compiler's vector extension, without intrinsics headers.
 *
 * Defines NSTK_LANES, the lanes of nstk_vn, only where the processor has vectors worth using:
 *   nstk_v4  four lanes, for the units of one layer;
 *   nstk_vn  NSTK_LANES lanes, for neighbouring evaluations of a batch.
 */
#if defined(__GNUC__) && !defined(NSTK_NO_VECTORS)
#if defined(__AVX512F__)
#define NSTK_LANES 16U
#elif defined(__AVX__)
#define NSTK_LANES 8U
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define NSTK_LANES 4U
#endif
#endif

#if defined(NSTK_LANES)
typedef float nstk_v4 __attribute__((vector_size(16)));
typedef float nstk_vn __attribute__((vector_size(4 * NSTK_LANES)));

/* The tables of weights are aligned to what nstk_load_v4 takes. */
#define NSTK_ALIGNED __attribute__((aligned(16)))

/* Clamps keep NaN: x86's minimum and maximum return their second operand when one is NaN. */
static inline nstk_v4 nstk_clamp_v4(nstk_v4 x, nstk_v4 lo, nstk_v4 hi)
{
#if defined(__SSE2__)
    return __builtin_ia32_minps(hi, __builtin_ia32_maxps(lo, x));
#else
    typedef int mask __attribute__((vector_size(16)));
    const mask low = x < lo;
    const mask high = x > hi;
    x = (nstk_v4)((low & (mask)lo) | (~low & (mask)x));
    return (nstk_v4)((high & (mask)hi) | (~high & (mask)x));
#endif
}

static inline nstk_v4 nstk_limit_v4(nstk_v4 x, float limit)
{
    const nstk_v4 zero = {0.0f};
    return nstk_clamp_v4(x, zero - limit, zero + limit);
}

static inline nstk_vn nstk_clamp_vn(nstk_vn x, float low, float high)
{
    const nstk_vn zero = {0.0f};
    const nstk_vn lo = zero + low;
    const nstk_vn hi = zero + high;
#if NSTK_LANES == 8U
    return __builtin_ia32_minps256(hi, __builtin_ia32_maxps256(lo, x));
#elif NSTK_LANES == 4U
    return nstk_clamp_v4(x, lo, hi);
#else
    typedef int mask __attribute__((vector_size(4 * NSTK_LANES)));
    const mask below = x < lo;
    const mask above = x > hi;
    x = (nstk_vn)((below & (mask)lo) | (~below & (mask)x));
    return (nstk_vn)((above & (mask)hi) | (~above & (mask)x));
#endif
}

static inline nstk_v4 nstk_load_v4(const float *p)
{
    nstk_v4 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline nstk_vn nstk_load_vn(const float *p)
{
    nstk_vn v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

static inline void nstk_store_vn(float *p, nstk_vn v)
{
    __builtin_memcpy(p, &v, sizeof v);
}
#else
#define NSTK_ALIGNED
#endif
