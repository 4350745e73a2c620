/* nstk_q_spline.h: sums of cubic B-splines whose coefficients are a table of int16, in integers alone. */

/* a b / 2^14 of numbers from 0 to 2^14. */
NSTK_Q_INLINE int16_t nstk_q_share(int16_t a, int16_t b)
{
    return (int16_t)(((int32_t)a * b) >> 14);
}

/* The weights of the four entries around a point that lies t 2^-14 behind the beginning of its cell. */
static inline void nstk_q_spline(int16_t t, int16_t *w)
{
    const int16_t u = (int16_t)(16384 - t);
    const int16_t s = nstk_q_share(t, t);
    const int16_t cube = nstk_q_share(s, t);
    w[0] = (int16_t)(((int32_t)nstk_q_share(nstk_q_share(u, u), u) * 10923) >> 16);
    w[1] = (int16_t)(10923 - s + (cube >> 1));
    w[3] = (int16_t)(((int32_t)cube * 10923) >> 16);
    w[2] = (int16_t)(16384 - w[0] - w[1] - w[3]);
}

static inline int32_t nstk_q_cubic1(const int16_t *v, const int16_t *w)
{
    return ((int32_t)NSTK_Q_READ16(v) * w[0]) + ((int32_t)NSTK_Q_READ16(&v[1]) * w[1]) +
           ((int32_t)NSTK_Q_READ16(&v[2]) * w[2]) + ((int32_t)NSTK_Q_READ16(&v[3]) * w[3]);
}

static inline int32_t nstk_q_cubic2(const int16_t *v, const int16_t *w, size_t row)
{
    int32_t sum = 0;
    size_t k;
    for (k = 0; k < 4U; k++) {
        sum += (int32_t)nstk_q_rounded(nstk_q_cubic1(&v[k * row], &w[4])) * w[k];
    }
    return sum;
}

static inline int32_t nstk_q_cubic3(const int16_t *v, const int16_t *w, size_t plane, size_t row)
{
    int32_t sum = 0;
    size_t k;
    for (k = 0; k < 4U; k++) {
        sum += (int32_t)nstk_q_rounded(nstk_q_cubic2(&v[k * plane], &w[4], row)) * w[k];
    }
    return sum;
}
