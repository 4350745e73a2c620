/* nstk_q_double.h: doubles to int16 and fixed-point numbers to doubles, in integers alone and without a branch. */

NSTK_Q_CALL int nstk_q_from_double(double x, const int32_t *format)
{
#if DBL_MANT_DIG == 24
    return nstk_q_from_float((float)x, format);
#else
    union {
        double number;
        uint64_t bits;
    } u;
    uint32_t high;
    uint32_t low;
    u.number = x;
    high = (uint32_t)(u.bits >> 32);
    low = (uint32_t)u.bits;
    return nstk_q_from_parts(nstk_q_sign((int32_t)high), (int32_t)((high << 1) >> 21) - 896,
                             (high << 11) | (low >> 21) | 0x80000000U, format);
#endif
}

/* As nstk_q_to_float, whose 24 bits every double holds. */
NSTK_Q_CALL double nstk_q_to_double(int32_t fixed, int bits)
{
#if DBL_MANT_DIG == 24
    return nstk_q_to_float(fixed, bits);
#else
    union {
        float number;
        uint32_t bits;
    } narrow;
    union {
        double number;
        uint64_t bits;
    } wide;
    uint32_t magnitude;
    uint32_t minus;
    uint32_t high;
    int32_t nonzero;
    narrow.number = nstk_q_to_float(fixed, bits);
    magnitude = (narrow.bits << 1) >> 1;
    minus = 0U - magnitude;
    nonzero = nstk_q_sign((int32_t)minus);
    NSTK_Q_OPAQUE(nonzero);
    high = (narrow.bits & 0x80000000U) | ((uint32_t)nonzero & ((magnitude >> 3) + (896UL << 20)));
    wide.bits = ((uint64_t)high << 32) | (uint32_t)(magnitude << 29);
    return wide.number;
#endif
}
