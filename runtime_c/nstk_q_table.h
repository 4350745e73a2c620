/* nstk_q_table.h: interpolation in tables of int16 over uniform grids, in integers alone.
 *
 * Weights add up to 2^14 and none is negative: sums of weighted int16 lie within 2^29.
 */

/* The cell of an int16 input; *t gets how far behind the cell's beginning it lies, in 2^-14 cells. */
NSTK_Q_INLINE size_t nstk_q_cell(int x, uint16_t cells, int16_t *t)
{
    const uint32_t p = (uint32_t)(uint16_t)((unsigned)x + 32768U) * cells;
    *t = (int16_t)((uint16_t)p >> 2);
    return (size_t)(p >> 16);
}

/* A sum as an entry again, to be summed further. */
NSTK_Q_INLINE int16_t nstk_q_rounded(int32_t sum)
{
    return (int16_t)((sum + 8192) >> 14);
}

NSTK_Q_INLINE int32_t nstk_q_mix(int16_t first, int16_t second, int16_t t)
{
    return ((int32_t)(int16_t)(16384 - t) * first) + ((int32_t)t * second);
}

NSTK_Q_INLINE int32_t nstk_q_linear1(const int16_t *v, const int16_t *t)
{
    return nstk_q_mix(NSTK_Q_READ16(v), NSTK_Q_READ16(&v[1]), t[0]);
}

NSTK_Q_INLINE int32_t nstk_q_linear2(const int16_t *v, const int16_t *t, size_t row)
{
    const int16_t first = nstk_q_rounded(nstk_q_linear1(v, &t[1]));
    return nstk_q_mix(first, nstk_q_rounded(nstk_q_linear1(&v[row], &t[1])), t[0]);
}

NSTK_Q_INLINE int32_t nstk_q_linear3(const int16_t *v, const int16_t *t, size_t plane, size_t row)
{
    const int16_t first = nstk_q_rounded(nstk_q_linear2(v, &t[1], row));
    return nstk_q_mix(first, nstk_q_rounded(nstk_q_linear2(&v[plane], &t[1], row)), t[0]);
}
