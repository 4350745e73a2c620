/* nstk_q_tanh.h: products and the activation of int16 surrogates, without a branch.
 *
 * Integers only; >> of a negative number is arithmetic, as every compiler for these processors has it.
 */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define NSTK_Q_FLASH PROGMEM
#define NSTK_Q_READ16(p) ((int16_t)pgm_read_word(p))
#define NSTK_Q_READ32(p) ((int32_t)pgm_read_dword(p))
#else
#define NSTK_Q_FLASH
#define NSTK_Q_READ16(p) (*(p))
#define NSTK_Q_READ32(p) (*(p))
#endif

#if defined(__GNUC__) && defined(__thumb__) && !defined(__thumb2__)
/* Eight low registers do all the work, the others cost moves. Keeps numbers in low ones, and weights in one instruction
   each, where compilers would make one from another in two. Statements stay in the order written, which loads every
   input once: gcc must see each sum as it grows, clang a group of them at a time. */
#define NSTK_Q_OPAQUE(x) __asm__("" : "+l"(x))
#define NSTK_Q_LOW(x) NSTK_Q_OPAQUE(x)
#if defined(__clang__)
#define NSTK_Q_GROWN(sum) ((void)0)
#define NSTK_Q_ORDER(a, b, c, d) __asm__("" : "+l"(a), "+l"(b), "+l"(c), "+l"(d))
#else
#define NSTK_Q_GROWN(sum) NSTK_Q_LOW(sum)
#define NSTK_Q_ORDER(a, b, c, d) ((void)0)
#endif
#else
#define NSTK_Q_LOW(x) ((void)0)
#define NSTK_Q_GROWN(sum) ((void)0)
#define NSTK_Q_ORDER(a, b, c, d) ((void)0)
#endif

#if defined(__GNUC__)
#if !defined(NSTK_Q_OPAQUE)
/* A value the compiler knows nothing about: it would turn masks back into branches. */
#define NSTK_Q_OPAQUE(x) __asm__("" : "+r"(x))
#endif
/* Called, not inlined: used once per input, where code memory is scarce. */
#define NSTK_Q_CALL static __attribute__((noinline, unused))
/* Inlined even for size: a call costs half of what it does. */
#define NSTK_Q_INLINE static inline __attribute__((always_inline))
#else
#define NSTK_Q_OPAQUE(x) ((void)0)
#define NSTK_Q_CALL static inline
#define NSTK_Q_INLINE static inline
#endif

/* -1 for a negative number, else 0. */
NSTK_Q_INLINE int32_t nstk_q_sign(int32_t x)
{
    return x >> 31;
}

/* A sum, complete before what follows it. */
NSTK_Q_INLINE int32_t nstk_q_grown(int32_t x)
{
    int32_t sum = x;
    NSTK_Q_GROWN(sum);
    return sum;
}

/* sum + weight x, a product of two 16-bit numbers. */
NSTK_Q_INLINE int32_t nstk_q_add(int32_t sum, int16_t weight, int x)
{
    int32_t product = weight;
    NSTK_Q_LOW(product);
    product *= x;
    NSTK_Q_LOW(product);
    return nstk_q_grown(sum + product);
}

/* The smaller of two numbers whose difference does not overflow. */
NSTK_Q_INLINE int32_t nstk_q_min(int32_t x, int32_t most)
{
    const int32_t over = most - x;
    int32_t mask = nstk_q_sign(over);
    NSTK_Q_OPAQUE(mask);
    return x + (over & mask);
}

/* The nearest int16 of a number above -2^30 and below 2^30. */
static inline int16_t nstk_q_saturate(int32_t x)
{
    return (int16_t)~nstk_q_min(~nstk_q_min(x, 32767), 32767);
}

/* The larger of a number and 0. */
NSTK_Q_INLINE int32_t nstk_q_positive(int32_t x)
{
    int32_t mask = nstk_q_sign(x);
    NSTK_Q_OPAQUE(mask);
    return x & ~mask;
}

/* Between the two entries of a table around position / 2^16. No entry is negative; unsigned ones load faster. */
NSTK_Q_INLINE int nstk_q_entry(const int16_t *table, uint32_t position)
{
    const int16_t *entry = &table[position >> 16];
    unsigned low;
    unsigned rise;
    NSTK_Q_LOW(entry);
    low = (uint16_t)NSTK_Q_READ16(entry);
    rise = (uint16_t)NSTK_Q_READ16(&entry[1]) - low;
    NSTK_Q_LOW(rise);
    return (int)(low + (unsigned)(((uint32_t)rise * (uint16_t)position) >> 16));
}

/* 32767.5 tanh - 1/2 at sum, which is 2^(shift + 16) for every entry of the table; so ~x stands for -tanh. */
NSTK_Q_INLINE int nstk_q_tanh(const int16_t *table, int32_t sum, int shift)
{
    const int32_t sign = nstk_q_sign(sum);
    return nstk_q_entry(table, (uint32_t)(sum ^ sign) >> shift) ^ (int)sign;
}

/* The same where sum may lie beyond the table, whose last position is `limit`. Counted from there, it takes a register
   less than with nstk_q_min. */
NSTK_Q_INLINE int nstk_q_tanh_limited(const int16_t *table, int32_t sum, int shift, int32_t limit)
{
    const int32_t sign = nstk_q_sign(sum);
    int32_t position = limit - nstk_q_positive(limit - ((sum ^ sign) >> shift));
    NSTK_Q_LOW(position);
    return nstk_q_entry(table, (uint32_t)position) ^ (int)sign;
}
