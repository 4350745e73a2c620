/* nstk_q_float.h: floats to int16 and fixed-point numbers to floats, in integers alone and without a branch. */

/* format: exponent field of floats that are 1 in fixed point, centre, largest difference from it, factor. */

static inline int nstk_q_from_difference(int32_t d, const int32_t *format)
{
    const int32_t most = NSTK_Q_READ32(&format[2]);
    const int32_t near = ~nstk_q_min(~nstk_q_min(d, most), most);
    return (int)((near * NSTK_Q_READ32(&format[3])) >> 15);
}

/* significand 2^(exponent - 158), or if sign is -1 its negative, as int16. What lies beyond int16 saturates. */
static inline int nstk_q_from_parts(int32_t sign, int32_t exponent, uint32_t significand, const int32_t *format)
{
    const int32_t kept = nstk_q_positive(exponent - NSTK_Q_READ32(format));
    const int32_t fixed = (int32_t)(significand >> (nstk_q_positive(29 - kept) + 2));
    return nstk_q_from_difference((fixed ^ sign) - NSTK_Q_READ32(&format[1]), format);
}

NSTK_Q_CALL int nstk_q_from_float(float x, const int32_t *format)
{
    union {
        float number;
        uint32_t bits;
    } u;
    u.number = x;
    return nstk_q_from_parts(nstk_q_sign((int32_t)u.bits), (int32_t)((u.bits << 1) >> 24),
                             (u.bits << 8) | 0x80000000U, format);
}

/* If the upper n bits of *m are 0, moves the others there. Returns by how many bits. */
NSTK_Q_INLINE uint32_t nstk_q_raise(uint32_t *m, int n)
{
    const uint32_t upper = (*m >> (32 - n)) - 1U;
    int32_t mask = nstk_q_sign((int32_t)upper);
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
    const int32_t negative = nstk_q_sign(fixed);
    const uint32_t sign = (uint32_t)negative;
    uint32_t m = ((uint32_t)fixed ^ sign) - sign;
    uint32_t exponent = 157U - (uint32_t)bits;
    const uint32_t minus = 0U - m;
    int32_t nonzero = nstk_q_sign((int32_t)minus);
    NSTK_Q_OPAQUE(nonzero);
    exponent -= nstk_q_raise(&m, 16);
    exponent -= nstk_q_raise(&m, 8);
    exponent -= nstk_q_raise(&m, 4);
    exponent -= nstk_q_raise(&m, 2);
    exponent -= nstk_q_raise(&m, 1);
    u.bits = (sign << 31) | ((uint32_t)nonzero & ((exponent << 23) + (m >> 8)));
    return u.number;
}
