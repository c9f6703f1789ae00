/* SPDX-License-Identifier: MIT */
/* exp, erf, log, sine and cosine of vectors. Bounds hold with and without fused multiply-adds; no tables. */
#ifndef RIN_BACKEND_CPU_VMATH_H
#define RIN_BACKEND_CPU_VMATH_H

#include "backend/cpu/vec.h"

/* The polynomials are least-maximum fits over the reduced range, of our own making. */

/* Adding 1.5 * 2^23 rounds |x| < 2^22 to an integer, which then stands in the low bits. */
#define RIN_ROUNDER 0x1.8p23f

/*
 * 2^x for x at most 127: relative error below 2e-7. Below -125 the result is 2^-125 instead of less: for weights
 * whose largest is near 1 that is nothing, and it keeps denormals away. NaN stays NaN.
 */
RIN_INLINE vf rin_vexp2_weight(vf x) {
    x = vf_max(vf_splat(-125.0f), x);
    vf shifted = x + (RIN_ROUNDER + 127.0f); /* so its low bits, moved up, are the float 2^n */
    vf r = x - (shifted - (RIN_ROUNDER + 127.0f));
    vf p = 0x1.5bba0ep-10f * r + 0x1.3cea88p-7f;
    p = p * r + 0x1.c6b752p-5f;
    p = p * r + 0x1.ebf9bcp-3f;
    p = p * r + 0x1.62e42ap-1f;
    p = p * r + 1.0f;
    return p * (vf)((vu)shifted << 23);
}

/* e^x within 2 ulp, gradual underflow included. */
RIN_INLINE vf rin_vexp(vf x) {
    x = vf_min(vf_splat(89.0f), vf_max(vf_splat(-104.0f), x));
    vf shifted = x * 0x1.715476p0f + RIN_ROUNDER;
    vf n = shifted - RIN_ROUNDER;
    /* ln 2 in two parts, the first with so few bits that n times it is exact. */
    vf r = x - n * 0x1.62e4p-1f;
    r = r - n * 0x1.7f7d1cp-20f;
    vf p = 0x1.6a2430p-10f * r + 0x1.1239e4p-7f;
    p = p * r + 0x1.5558f2p-5f;
    p = p * r + 0x1.555492p-3f;
    p = p * r + 0x1.fffffcp-2f;
    p = p * (r * r) + r + 1.0f;
    /* Half of 2^n at a time, so that neither half leaves the range of normal numbers. */
    vu k = (vu)shifted - (vu)vf_splat(RIN_ROUNDER), half = (vu)((vi)k >> 1);
    return p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
}

/* erf(x), a ratio of polynomials in x^2: within 4e-7 absolutely, and 7 ulp. */
RIN_INLINE vf rin_verf(vf x) {
    vf c = vf_min(vf_splat(3.92f), vf_max(vf_splat(-3.92f), x));
    vf t = c * c;
    vf p = 0x1.121104p-19f * t + 0x1.2aa46ep-12f;
    p = p * t + 0x1.ef664ep-9f;
    p = p * t + 0x1.b0751ep-5f;
    p = p * t + 0x1.86b99ep-3f;
    p = p * t + 0x1.20dd74p0f;
    vf q = 0x1.3eccaap-15f * t + 0x1.3173e0p-10f;
    q = q * t + 0x1.eb6f5ep-7f;
    q = q * t + 0x1.d3ff9ap-4f;
    q = q * t + 0x1.013bf0p-1f;
    q = q * t + 1.0f;
    return c * p / q;
}

/* The natural logarithm within 2 ulp. log 0 = -inf, of negative numbers NaN; denormals are right. */
RIN_INLINE vf rin_vlog(vf x) {
    vi tiny = x < 0x1p-126f;
    vf scaled = vf_select(tiny, x * 0x1p23f, x);
    vf e = vf_select(tiny, vf_splat(-23.0f), vf_splat(0.0f));
    /* x = 2^k m with m in [sqrt 1/2, sqrt 2). */
    vu bits = (vu)scaled - 0x3f3504f3;
    vf f = (vf)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    e += vf_from_vi((vi)bits >> 23);
    vf p = 0x1.14573ep-4f * f - 0x1.de3bf8p-4f;
    p = p * f + 0x1.e6f08cp-4f;
    p = p * f - 0x1.fc220ep-4f;
    p = p * f + 0x1.233766p-3f;
    p = p * f - 0x1.555c4ep-3f;
    p = p * f + 0x1.99a4b6p-3f;
    p = p * f - 0x1.000006p-2f;
    p = p * f + 0x1.555548p-2f;
    vf ff = f * f;
    vf low = p * (f * ff) - 0.5f * ff + e * 0x1.7f7d1cp-20f;
    vf y = e * 0x1.62e4p-1f + (f + low);
    y = vf_select(x == 0.0f, vf_splat(-INFINITY), y);
    y = vf_select(x < 0.0f, vf_splat(NAN), y);
    return vf_select((x == INFINITY) | (x != x), x, y);
}

/* Sine and cosine of |x| <= 8192 within 1e-7; NaN for others that are not finite, see rin_vsincos. */
RIN_INLINE void rin_vsincos_small(vf x, vf *sine, vf *cosine) {
    vf shifted = x * 0x1.45f306p-1f + RIN_ROUNDER;
    vf n = shifted - RIN_ROUNDER;
    /* pi/2 in four parts, three of which have so few bits that n times them is exact. */
    vf r = x - n * 0x1.92p0f;
    r = r - n * 0x1.fb4p-12f;
    r = r - n * 0x1.444p-24f;
    r = r - n * 0x1.68c234p-39f;
    vf t = r * r;
    vf s = -0x1.994388p-13f * t + 0x1.11073ap-7f;
    s = s * t - 0x1.555546p-3f;
    s = s * (t * r) + r;
    vf c = 0x1.9a020ap-16f * t - 0x1.6c0c8ap-10f;
    c = c * t + 0x1.55554ap-5f;
    c = c * (t * t) - 0.5f * t + 1.0f;
    vu quarter = (vu)shifted;
    vi swap = (quarter & 1) == 1;
    vf a = vf_select(swap, c, s), b = vf_select(swap, s, c);
    *sine = (vf)((vu)a ^ ((quarter & 2) << 30));
    *cosine = (vf)((vu)b ^ (((quarter + 1) & 2) << 30));
}

/* Sine and cosine of any number within 1e-7; angles beyond 8192 are left to the C library, lane by lane. */
RIN_INLINE void rin_vsincos(vf x, vf *sine, vf *cosine) {
    rin_vsincos_small(x, sine, cosine);
    vi large = ~(vf_abs(x) <= 8192.0f);
    if (!vi_any(large)) return;
    for (int i = 0; i < RIN_VF; i++) {
        if (!large[i]) continue;
        (*sine)[i] = sinf(x[i]);
        (*cosine)[i] = cosf(x[i]);
    }
}

#endif
