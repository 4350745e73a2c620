/* nstk_spline.h: sums of cubic B-splines whose coefficients, a sixth of the usual per input, are a table's entries. */

/* The weights of the four entries around a point that lies t behind the beginning of its cell. */
static inline void nstk_spline(float t, float *w)
{
    const float s = t * t;
    const float u = 1.0f - t;
    w[0] = u * u * u;
    w[1] = (s * ((3.0f * t) - 6.0f)) + 4.0f;
    w[3] = s * t;
    w[2] = 6.0f - w[0] - w[1] - w[3];
}

static inline float nstk_cubic1(const float *v, const float *w)
{
    return ((w[0] * v[0]) + (w[1] * v[1])) + ((w[2] * v[2]) + (w[3] * v[3]));
}

static inline float nstk_cubic2(const float *v, const float *w, size_t row)
{
    float r[4];
    size_t k;
    for (k = 0; k < 4U; k++) {
        r[k] = nstk_cubic1(&v[k * row], &w[4]);
    }
    return nstk_cubic1(r, w);
}

static inline float nstk_cubic3(const float *v, const float *w, size_t plane, size_t row)
{
    float r[4];
    size_t k;
    for (k = 0; k < 4U; k++) {
        r[k] = nstk_cubic2(&v[k * plane], &w[4], row);
    }
    return nstk_cubic1(r, w);
}
