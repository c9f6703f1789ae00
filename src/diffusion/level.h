/* SPDX-License-Identifier: MIT */
/*
 * The signal level of a schedule, included once for each type it is computed in: REAL is the type, LEVEL the function.
 * Operation by operation in the order of the authors' code.
 */
static REAL LEVEL(const rin_schedule *s, REAL t) {
    const REAL pi = (REAL)PI, start = (REAL)s->start, end = (REAL)s->end, tau = (REAL)s->tau, least = (REAL)1e-9,
               power = (REAL)(2 * s->tau), u = t * (REAL)(s->end - s->start) + start;
    REAL f0, f1, v = NAN, low = least;
    switch (s->kind) {
    case RIN_SCHEDULE_COSINE: f0 = cos((t + (REAL)0.0002) / (REAL)1.00025 * pi / 2); return f0 * f0;
    case RIN_SCHEDULE_SIMPLE_LINEAR: v = 1 - t; break;
    case RIN_SCHEDULE_COSINE_RANGE:
        f0 = pow(cos(start * pi / 2), power);
        f1 = pow(fmax(cos(end * pi / 2), (REAL)0), power);
        v = (pow(fmax(cos(u * pi / 2), (REAL)0), power) - f1) / (f0 - f1);
        break;
    case RIN_SCHEDULE_SIGMOID:
        f0 = 1 / (1 + exp(-start / tau));
        f1 = 1 / (1 + exp(-end / tau));
        v = (f1 - 1 / (1 + exp(-u / tau))) / (f1 - f0);
        break;
    case RIN_SCHEDULE_LOG:
        f0 = s->reverse ? end : start;
        f1 = s->reverse ? start : end;
        v = (log(f1) - log(t * (f1 - f0) + f0)) / (log(f1) - log(f0));
        low = 0;
        break;
    }
    return v < low ? low : v > 1 ? 1 : v;
}
