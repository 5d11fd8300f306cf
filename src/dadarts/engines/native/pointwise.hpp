// Pointwise convolutions: products of pixels with a matrix.
#pragma once

#include "lanes.hpp"

namespace {

// How many pixels, or rows of a matrix, are summed up in registers at a time: as many as these hold, which is twice as
// many of one vector as of two.
template <int Vectors>
constexpr int kRows = (kVectorBytes == 64 ? 16 : 12) / Vectors;

// Writes vectors of which n numbers count.
template <class T, int Vectors>
DADARTS_INLINE inline void put(const typename Simd<T>::vector (&sums)[Vectors], long n, T* out) {
    constexpr long width = Simd<T>::width;
    for (int v = 0; v < Vectors; ++v) {
        if (n >= (v + 1) * width) {
            store(out + v * width, sums[v]);
        } else {
            // A copy, since sums whose address is taken would not stay in registers.
            T rest[width];
            store(rest, sums[v]);
            std::memcpy(out + v * width, rest, (n - v * width) * sizeof(T));
        }
    }
}

// sums += one number times vectors; it is loaded once for all of them.
template <class T, int Vectors>
DADARTS_INLINE inline void add_products(T number, const typename Simd<T>::vector (&by)[Vectors],
                                        typename Simd<T>::vector (&sums)[Vectors]) {
    auto value = broadcast(number);
    if constexpr (Vectors > 1) {
        DADARTS_KEEP(value);
    }
    unrolled<Vectors>([&](auto v) DADARTS_INLINE { sums[v] += value * by[v]; });
}

// out (Rows, n) = in (Rows, k) times `Vectors` vectors of columns of matrix (k, columns), of which n count; `stride`
// numbers lie between the output's pixels.
template <class T, int Rows, int Vectors>
inline void product_block(const T* in, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr long width = Simd<T>::width;
    typename Simd<T>::vector sums[Rows][Vectors];
    unrolled<Rows * Vectors>([&](auto at) DADARTS_INLINE { sums[at / Vectors][at % Vectors] = broadcast(T(0)); });
    // Rows are addressed from two places: a processor has too few registers for where each of them begins.
    constexpr int kHalf = (Rows + 1) / 2;
    for (const T *low = in, *high = in + kHalf * k; low < in + k; ++low, ++high, matrix += columns) {
        typename Simd<T>::vector by[Vectors];
        unrolled<Vectors>([&](auto v) DADARTS_INLINE { by[v] = load(matrix + v * width); });
        unrolled<Rows>([&](auto r) DADARTS_INLINE {
            add_products<T>((r < kHalf ? low : high)[r % kHalf * k], by, sums[r]);
        });
    }
    unrolled<Rows>([&](auto r) DADARTS_INLINE { put<T>(sums[r], n, out + r * stride); });
}

template <class T, int Vectors>
void product_panel(const T* in, long pixels, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr int kMost = kRows<Vectors>;
    long p = 0;
    for (; p + kMost <= pixels; p += kMost)
        product_block<T, kMost, Vectors>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p + 4 <= pixels; p += 4)
        product_block<T, 4, Vectors>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p < pixels; ++p)
        product_block<T, 1, Vectors>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
}

// out (pixels, n) = in (pixels, k) times matrix (k, columns), where columns are n in whole vectors.
template <class T>
void product(const T* in, long pixels, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < columns; c += 2 * width)
        product_panel<T, 2>(in, pixels, k, matrix + c, columns, n - c, out + c, stride);
    if (c < columns) product_panel<T, 1>(in, pixels, k, matrix + c, columns, n - c, out + c, stride);
}

// Rows of matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n), `Vectors` vectors of columns.
template <class T, int Rows, int Vectors>
inline void outer_block(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    typename Simd<T>::vector sums[Rows][Vectors];
    unrolled<Rows * Vectors>([&](auto at) DADARTS_INLINE {
        sums[at / Vectors][at % Vectors] = load(matrix + at / Vectors * columns + at % Vectors * width);
    });
    for (long p = 0; p < pixels; ++p) {
        typename Simd<T>::vector by[Vectors];
        unrolled<Vectors>([&](auto v) DADARTS_INLINE { by[v] = load(gradient + p * n + v * width); });
        unrolled<Rows>([&](auto r) DADARTS_INLINE { add_products<T>(in[p * k + r], by, sums[r]); });
    }
    unrolled<Rows * Vectors>([&](auto at) DADARTS_INLINE {
        store(matrix + at / Vectors * columns + at % Vectors * width, sums[at / Vectors][at % Vectors]);
    });
}

template <class T, int Vectors>
void outer_panel(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr int kMost = kRows<Vectors>;
    long i = 0;
    for (; i + kMost <= k; i += kMost)
        outer_block<T, kMost, Vectors>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i + 4 <= k; i += 4)
        outer_block<T, 4, Vectors>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i < k; ++i) outer_block<T, 1, Vectors>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
}

// matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n).
template <class T>
void outer(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < columns; c += 2 * width)
        outer_panel<T, 2>(in, pixels, k, gradient + c, n, columns, matrix + c);
    if (c < columns) outer_panel<T, 1>(in, pixels, k, gradient + c, n, columns, matrix + c);
}

}  // namespace
