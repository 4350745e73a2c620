/* nstk_q_int.h: integer inputs and results of int16 surrogates. */

NSTK_Q_CALL int nstk_q_from_fixed(int32_t fixed, const int32_t *format)
{
    return nstk_q_from_difference(fixed - NSTK_Q_READ32(&format[1]), format);
}

/* fixed / 2^bits to the nearest integer, half away from zero; bits from 1 to 30. */
static inline int32_t nstk_q_round(int32_t fixed, int bits)
{
    const int32_t sign = nstk_q_sign(fixed);
    const int32_t magnitude = (fixed ^ sign) - sign;
    const uint32_t m = (uint32_t)magnitude + ((uint32_t)1 << (bits - 1));
    return ((int32_t)(m >> bits) ^ sign) - sign;
}

static inline int32_t nstk_q_clamp(int32_t x, int32_t lo, int32_t hi)
{
    const int32_t above = (x < lo) ? lo : x;
    return (above > hi) ? hi : above;
}
