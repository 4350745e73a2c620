/* nstk_q_int.h: integer inputs and results of int16 surrogates. */

NSTK_Q_CALL int nstk_q_from_fixed(int32_t fixed, const int32_t *format)
{
    return nstk_q_from_difference(fixed - NSTK_Q_READ32(format + 1), format);
}

/* fixed / 2^bits to the nearest integer, half away from zero; bits from 1 to 30. */
static inline int32_t nstk_q_round(int32_t fixed, int bits)
{
    const int32_t sign = fixed >> 31;
    const uint32_t m = (uint32_t)((fixed ^ sign) - sign) + ((uint32_t)1 << (bits - 1));
    return ((int32_t)(m >> bits) ^ sign) - sign;
}

static inline int32_t nstk_q_clamp(int32_t x, int32_t lo, int32_t hi)
{
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
}
