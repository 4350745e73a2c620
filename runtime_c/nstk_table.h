/* nstk_table.h: interpolation in tables over uniform grids. */

/* The cell of x on a grid that begins at lo; *t gets how far behind the cell's beginning x lies, from 0 to 1.
   What lies outside is clamped to the grid; NaN counts as its upper end. */
static inline size_t nstk_cell(float x, float lo, float scale, int cells, float *t)
{
    float p = (x - lo) * scale;
    int i;
    p = (p < (float)cells) ? p : (float)cells;
    p = (p > 0.0f) ? p : 0.0f;
    i = (int)p;
    i = (i < cells) ? i : (cells - 1);
    *t = p - (float)i;
    return (size_t)i;
}

static inline float nstk_linear1(const float *v, const float *t)
{
    return v[0] + (t[0] * (v[1] - v[0]));
}

static inline float nstk_linear2(const float *v, const float *t, size_t row)
{
    float r[2];
    r[0] = nstk_linear1(v, &t[1]);
    r[1] = nstk_linear1(&v[row], &t[1]);
    return nstk_linear1(r, t);
}

static inline float nstk_linear3(const float *v, const float *t, size_t plane, size_t row)
{
    float r[2];
    r[0] = nstk_linear2(v, &t[1], row);
    r[1] = nstk_linear2(&v[plane], &t[1], row);
    return nstk_linear1(r, t);
}
