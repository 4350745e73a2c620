/* nstk_q_dense.h: layers of int16 surrogates as loops, for the smallest code. A layer's weights are rows, one per unit. */

static inline void nstk_q_dense(const int16_t *w, const int32_t *bias, const int *x, size_t inputs, int32_t *sums,
                                size_t units)
{
    const int16_t *next = w;
    size_t i;
    size_t k;
    for (k = 0; k < units; k++) {
        int32_t sum = NSTK_Q_READ32(&bias[k]);
        for (i = 0; i < inputs; i++) {
            sum += (int32_t)NSTK_Q_READ16(next) * x[i];
            next++;
        }
        sums[k] = sum;
    }
}

static inline void nstk_q_activate(const int16_t *table, const int32_t *sums, const int16_t *shift, int32_t limit, int *h,
                                   size_t units)
{
    size_t k;
    for (k = 0; k < units; k++) {
        h[k] = nstk_q_tanh_limited(table, sums[k], NSTK_Q_READ16(&shift[k]), limit);
    }
}
