/* nstk_q_dense.h: layers of int16 surrogates as loops, for the smallest code. A layer's weights are rows, one per unit. */

/* bias + w x. */
static inline int32_t nstk_q_dot(const int16_t *w, int32_t bias, const int *x, size_t inputs)
{
    const int16_t *next = w;
    int32_t sum = bias;
    size_t i;
    for (i = 0; i < inputs; i++) {
        sum += (int32_t)NSTK_Q_READ16(next) * x[i];
        next++;
    }
    return sum;
}

/* A hidden layer: the activations of its units. */
static inline void nstk_q_hidden(const int16_t *table, const int16_t *w, const int32_t *bias, const int16_t *shift,
                                 int32_t limit, const int *x, size_t inputs, int *h, size_t units)
{
    size_t k;
    for (k = 0; k < units; k++) {
        const int32_t sum = nstk_q_dot(&w[k * inputs], NSTK_Q_READ32(&bias[k]), x, inputs);
        h[k] = nstk_q_tanh_limited(table, sum, NSTK_Q_READ16(&shift[k]), limit);
    }
}
