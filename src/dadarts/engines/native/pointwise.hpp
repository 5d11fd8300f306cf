// Pointwise convolutions: products of pixels with a matrix.
#pragma once

#include "lanes.hpp"

namespace {

// How many pixels, or rows of a matrix, are summed up in registers at a time.
constexpr int kRows = kVectorBytes == 64 ? 8 : 6;

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

// out (Rows, n) = in (Rows, k) times `Vectors` vectors of columns of matrix (k, columns), of which n count; `stride`
// numbers lie between the output's pixels.
template <class T, int Rows, int Vectors>
inline void product_block(const T* in, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr long width = Simd<T>::width;
    typename Simd<T>::vector sums[Rows][Vectors] = {};
    for (long i = 0; i < k; ++i, matrix += columns) {
        typename Simd<T>::vector by[Vectors];
        for (int v = 0; v < Vectors; ++v) by[v] = load(matrix + v * width);
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Vectors; ++v) sums[r][v] += in[r * k + i] * by[v];
    }
    for (int r = 0; r < Rows; ++r) put<T>(sums[r], n, out + r * stride);
}

template <class T, int Rows>
inline void product_rows(const T* in, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < columns; c += 2 * width)
        product_block<T, Rows, 2>(in, k, matrix + c, columns, n - c, out + c, stride);
    if (c < columns) product_block<T, Rows, 1>(in, k, matrix + c, columns, n - c, out + c, stride);
}

// out (pixels, n) = in (pixels, k) times matrix (k, columns), where columns are n in whole vectors.
template <class T>
void product(const T* in, long pixels, long k, const T* matrix, long columns, long n, T* out, long stride) {
    long p = 0;
    for (; p + kRows <= pixels; p += kRows)
        product_rows<T, kRows>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p + 2 <= pixels; p += 2) product_rows<T, 2>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p < pixels; ++p) product_rows<T, 1>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
}

// Rows of matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n), `Vectors` vectors of columns.
template <class T, int Rows, int Vectors>
inline void outer_block(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    typename Simd<T>::vector sums[Rows][Vectors];
    for (int r = 0; r < Rows; ++r)
        for (int v = 0; v < Vectors; ++v) sums[r][v] = load(matrix + r * columns + v * width);
    for (long p = 0; p < pixels; ++p) {
        typename Simd<T>::vector by[Vectors];
        for (int v = 0; v < Vectors; ++v) by[v] = load(gradient + p * n + v * width);
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Vectors; ++v) sums[r][v] += in[p * k + r] * by[v];
    }
    for (int r = 0; r < Rows; ++r)
        for (int v = 0; v < Vectors; ++v) store(matrix + r * columns + v * width, sums[r][v]);
}

template <class T, int Rows>
inline void outer_rows(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < columns; c += 2 * width)
        outer_block<T, Rows, 2>(in, pixels, k, gradient + c, n, columns, matrix + c);
    if (c < columns) outer_block<T, Rows, 1>(in, pixels, k, gradient + c, n, columns, matrix + c);
}

// matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n).
template <class T>
void outer(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    long i = 0;
    for (; i + kRows <= k; i += kRows)
        outer_rows<T, kRows>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i + 2 <= k; i += 2) outer_rows<T, 2>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i < k; ++i) outer_rows<T, 1>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
}

}  // namespace
