// Pointwise convolutions: products of pixels with a matrix.
#pragma once

#include "lanes.hpp"

namespace {

// out (pixels, n) = in (pixels, k) times matrix (k, columns), of whose columns the first n count; `stride` numbers lie
// between the output's pixels.
template <class T, int Rows>
inline void product_block(const T* in, long k, const T* matrix, long columns, long n, T* out, long stride) {
    constexpr long width = Simd<T>::width;
    for (long c = 0; c < columns; c += 2 * width) {
        const bool two = c + width < columns;
        typename Simd<T>::vector left[Rows] = {}, right[Rows] = {};
        const T* at = matrix + c;
        if (two) {
            for (long i = 0; i < k; ++i, at += columns) {
                const auto b0 = load(at), b1 = load(at + width);
                for (int r = 0; r < Rows; ++r) {
                    left[r] += in[r * k + i] * b0;
                    right[r] += in[r * k + i] * b1;
                }
            }
        } else {
            for (long i = 0; i < k; ++i, at += columns) {
                const auto b0 = load(at);
                for (int r = 0; r < Rows; ++r) left[r] += in[r * k + i] * b0;
            }
        }
        for (int r = 0; r < Rows; ++r) {
            T* to = out + r * stride + c;
            const long rest = n - c;
            if (rest >= 2 * width) {
                store(to, left[r]);
                store(to + width, right[r]);
            } else if (rest >= width) {
                store(to, left[r]);
                std::memcpy(to + width, &right[r], (rest - width) * sizeof(T));
            } else {
                std::memcpy(to, &left[r], rest * sizeof(T));
            }
        }
    }
}

template <class T>
void product(const T* in, long pixels, long k, const T* matrix, long columns, long n, T* out, long stride) {
    long p = 0;
    for (; p + 6 <= pixels; p += 6) product_block<T, 6>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p + 2 <= pixels; p += 2) product_block<T, 2>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
    for (; p < pixels; ++p) product_block<T, 1>(in + p * k, k, matrix, columns, n, out + p * stride, stride);
}

// matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n).
template <class T, int Rows>
inline void outer_block(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    for (long c = 0; c < columns; c += 2 * width) {
        const bool two = c + width < columns;
        typename Simd<T>::vector left[Rows], right[Rows];
        for (int r = 0; r < Rows; ++r) {
            left[r] = load(matrix + r * columns + c);
            right[r] = two ? load(matrix + r * columns + c + width) : left[r];
        }
        for (long p = 0; p < pixels; ++p) {
            const auto g0 = load(gradient + p * n + c);
            if (two) {
                const auto g1 = load(gradient + p * n + c + width);
                for (int r = 0; r < Rows; ++r) {
                    left[r] += in[p * k + r] * g0;
                    right[r] += in[p * k + r] * g1;
                }
            } else {
                for (int r = 0; r < Rows; ++r) left[r] += in[p * k + r] * g0;
            }
        }
        for (int r = 0; r < Rows; ++r) {
            store(matrix + r * columns + c, left[r]);
            if (two) store(matrix + r * columns + c + width, right[r]);
        }
    }
}

template <class T>
void outer(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    long i = 0;
    for (; i + 4 <= k; i += 4) outer_block<T, 4>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i < k; ++i) outer_block<T, 1>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
}

}  // namespace
