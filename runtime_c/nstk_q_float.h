/* nstk_q_float.h: floats to int16 and fixed-point numbers to floats, in integers alone and without a branch. */

/* format: exponent field of floats that are 1 in fixed point, centre, largest difference from it, factor. */

static inline int nstk_q_from_difference(int32_t d, const int32_t *format)
{
    const int32_t most = NSTK_Q_READ32(format + 2);
    d = ~nstk_q_min(~nstk_q_min(d, most), most);
    return (int)((d * NSTK_Q_READ32(format + 3)) >> 15);
}

/* significand 2^(exponent - 158), or if sign is -1 its negative, as int16. What lies beyond int16 saturates. */
static inline int nstk_q_from_parts(int32_t sign, int32_t exponent, uint32_t significand, const int32_t *format)
{
    const int32_t kept = nstk_q_positive(exponent - NSTK_Q_READ32(format));
    const int32_t fixed = (int32_t)(significand >> (nstk_q_positive(29 - kept) + 2));
    return nstk_q_from_difference((fixed ^ sign) - NSTK_Q_READ32(format + 1), format);
}

NSTK_Q_CALL int nstk_q_from_float(float x, const int32_t *format)
{
    union {
        float number;
        uint32_t bits;
    } u;
    u.number = x;
    return nstk_q_from_parts((int32_t)u.bits >> 31, (int32_t)(u.bits << 1 >> 24), u.bits << 8 | 0x80000000U, format);
}

/* If the upper n bits of *m are 0, moves the others there. Returns by how many bits. */
static inline uint32_t nstk_q_raise(uint32_t *m, int n)
{
    int32_t mask = (int32_t)((*m >> (32 - n)) - 1U) >> 31;
    uint32_t moved;
    NSTK_Q_OPAQUE(mask);
    moved = (uint32_t)mask & (uint32_t)n;
    *m <<= moved;
    return moved;
}

/* fixed / 2^bits, cut off to 24 bits; 0 is 0. */
NSTK_Q_CALL float nstk_q_to_float(int32_t fixed, int bits)
{
    union {
        float number;
        uint32_t bits;
    } u;
    const uint32_t sign = (uint32_t)(fixed >> 31);
    uint32_t m = ((uint32_t)fixed ^ sign) - sign, exponent = (uint32_t)(157 - bits);
    int32_t nonzero = (int32_t)(0U - m) >> 31;
    NSTK_Q_OPAQUE(nonzero);
    exponent -= nstk_q_raise(&m, 16);
    exponent -= nstk_q_raise(&m, 8);
    exponent -= nstk_q_raise(&m, 4);
    exponent -= nstk_q_raise(&m, 2);
    exponent -= nstk_q_raise(&m, 1);
    u.bits = (sign << 31) | ((uint32_t)nonzero & ((exponent << 23) + (m >> 8)));
    return u.number;
}
