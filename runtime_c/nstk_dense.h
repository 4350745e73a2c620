/* nstk_dense.h: a dense layer and its activation as loops, for the smallest code.
 *
 * A hidden layer's constants are its biases, then one column of weights per input.
 */
static inline const float *nstk_dense(const float *w, const float *x, size_t inputs, float *u, size_t units)
{
    const float *next = w;
    size_t i;
    size_t k;
    for (k = 0; k < units; k++) {
        u[k] = *next;
        next++;
    }
    for (i = 0; i < inputs; i++) {
        for (k = 0; k < units; k++) {
            u[k] += *next * x[i];
            next++;
        }
    }
    return next;
}

/* Output layer: a row of weights per output, then the biases. */
static inline void nstk_output(const float *w, const float *h, size_t inputs, float *y, size_t outputs)
{
    const float *const bias = &w[inputs * outputs];
    size_t i;
    size_t k;
    for (k = 0; k < outputs; k++) {
        const float *const row = &w[k * inputs];
        float sum = bias[k];
        for (i = 0; i < inputs; i++) {
            sum += row[i] * h[i];
        }
        y[k] = sum;
    }
}

/* u P(u^2) / Q(u^2) on every unit, both monic. c: P's coefficients and Q's, highest power first, then the clamp. */
static inline void nstk_tanh(const float *c, size_t p, size_t q, float *u, size_t units)
{
    const float limit = c[p + q];
    size_t i;
    size_t k;
    for (k = 0; k < units; k++) {
        const float v = nstk_clamp(u[k], -limit, limit);
        const float s = v * v;
        float above = 1.0f;
        float below = 1.0f;
        for (i = 0; i < p; i++) {
            above = (above * s) + c[i];
        }
        for (i = p; i < (p + q); i++) {
            below = (below * s) + c[i];
        }
        u[k] = (v * above) / below;
    }
}
