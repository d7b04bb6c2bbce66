/* Elementary functions that the compiler turns into vector code inside `omp simd` loops: no tables, no
 * branches, no calls, about float32's own accuracy. Private to kernels/cpu. */
#ifndef BT_KERNELS_CPU_VEC_H
#define BT_KERNELS_CPU_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* e^x to 2 units in the last place; 0 below -87 (and at minus infinity), e^88 above 88.
 * Reduction and polynomial: Cephes expf (Moshier). */
static inline float bt_vec_exp(float x)
{
    float bounded = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float shifted = bounded * 1.44269504f + 12582912.0f; /* 1.5 2^23: the integer lands in the low bits */
    float whole = shifted - 12582912.0f;
    float r = bounded - whole * 0.693359375f + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    union {
        float f;
        uint32_t bits;
    } power;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    power.bits = ((uint32_t)(int32_t)whole + 127) << 23; /* unsigned: of NaN it overflows, and p is NaN */
    return x < -87.0f ? 0.0f : p * power.f;
}

/* Largest of n floats, minus infinity of none. Eight maxima side by side: compilers leave a plain one
 * serial. */
static inline float bt_vec_max(const float *x, size_t n)
{
    float most[8];
    size_t i = 0;

    for (size_t j = 0; j < 8; j++)
        most[j] = -INFINITY;
    for (; i + 8 <= n; i += 8) {
        #pragma omp simd
        for (size_t j = 0; j < 8; j++)
            most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
    }
    for (; i < n; i++)
        most[0] = x[i] > most[0] ? x[i] : most[0];
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t j = 0; j < half; j++)
            most[j] = most[j + half] > most[j] ? most[j + half] : most[j];
    return most[0];
}

/* tanh x. Polynomial below 0.625: Cephes tanhf. */
static inline float bt_vec_tanh(float x)
{
    float a = fabsf(x), z = x * x;
    float p = -5.70498872745e-3f, large;

    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    p = p * z * x + x;
    large = copysignf(1.0f - 2.0f / (bt_vec_exp(2.0f * a) + 1.0f), x);
    return a < 0.625f ? p : large;
}

/* Standard normal distribution above |x|, given e = exp(-x^2 / 2): e t P(t), t = 1 / (1 + 0.3 |x|), where P
 * is the Chebyshev fit of the exact quotient for |x| <= 14 (largest error 5.3e-8, below a float's rounding). */
static inline float bt_vec_normal_tail(float x, float e)
{
    float t = 1.0f / (1.0f + 0.3f * fabsf(x));
    float p = 0.03741848192f;

    p = p * t - 0.1643185171f;
    p = p * t + 0.2183154581f;
    p = p * t - 0.06437430307f;
    p = p * t + 0.1340211483f;
    p = p * t + 0.09832776816f;
    p = p * t + 0.1209955612f;
    p = p * t + 0.1196144353f;
    return e * t * p;
}

/* x F(x), F the standard normal distribution; *slope: F(x) + x f(x), f its density. */
static inline float bt_vec_gelu(float x, float *slope)
{
    float e = bt_vec_exp(-0.5f * x * x), tail = bt_vec_normal_tail(x, e);

    *slope = (x < 0.0f ? tail : 1.0f - tail) + x * e * 0.39894228f;
    return x < 0.0f ? x * tail : x - x * tail;
}

#endif
