// ReLU and a 1x1 convolution to other channels, and the batch norm behind them: what prepares the inputs of a cell.
#pragma once

#include "mix.hpp"
#include "pointwise.hpp"

namespace {

// With stride 2 it is a factorized reduction: the first out / 2 channels are made of the even pixels of even rows, the
// others of the odd pixels of odd rows, with zeros beyond the picture.
struct Projection {
    long pictures, in, height, width, out, stride;
    long out_height() const { return (height + stride - 1) / stride; }
    long out_width() const { return (width + stride - 1) / stride; }
};

// A part of the output's channels, made of the pixels (stride * r + offset, stride * c + offset).
struct Pick {
    long offset, first, channels;
    // Output pixels of a row whose source lies in the picture, none where the row itself does not.
    long inside(const Projection& p, long r) const {
        const bool row = p.stride * r + offset < p.height;
        return row ? std::min(p.out_width(), (p.width - offset + p.stride - 1) / p.stride) : 0;
    }
};

inline std::vector<Pick> picks_of(const Projection& p) {
    if (p.stride == 1) return {{0, 0, p.out}};
    return {{0, 0, p.out / 2}, {1, p.out / 2, p.out - p.out / 2}};
}

// weight (out, in) of a pick as the matrix (in, out) or (out, in), with zeros up to whole vectors of columns, and of out.
template <class T>
Buffer<T> padded_matrix(const T* weight, const Projection& p, const Pick& pick, bool transposed) {
    constexpr long width = Simd<T>::width;
    const long columns = round_up(transposed ? pick.channels : p.in, width);
    Buffer<T> matrix((transposed ? p.in : round_up(pick.channels, width)) * columns);
    for (long out = 0; out < pick.channels; ++out)
        for (long in = 0; in < p.in; ++in)
            matrix[transposed ? in * columns + out : out * columns + in] = weight[(pick.first + out) * p.in + in];
    return matrix;
}

// The rectified pixels that a pick reads of an output row, side by side. NaN stays NaN.
template <class T>
void picked(const T* picture, const Projection& p, const Pick& pick, long r, T* to) {
    const long n = pick.inside(p, r), run = p.stride == 1 ? n * p.in : p.in;
    const T* row = picture + ((p.stride * r + pick.offset) * p.width + pick.offset) * p.in;
    for (long i = 0; i < n * p.in; i += run)
        each<T>(run, Simd<T>::width, [&](auto lane, long at, long) {
            const auto value = lane.load(row + i * p.stride + at);
            lane.store(to + i + at, value <= 0 ? decltype(value + value){} : value);
        });
    std::fill(to + n * p.in, to + p.out_width() * p.in, T(0));
}

// y = convolution(relu(x)) and the norm of y; with `normed` y is divided by it.
template <class T>
void project_forward(const Projection& p, const T* x, const T* weight, double eps, bool normed, T* y, T* norm,
                     int threads) {
    const auto picks = picks_of(p);
    std::vector<Buffer<T>> matrices;
    for (const Pick& pick : picks) matrices.push_back(padded_matrix(weight, p, pick, true));
    const long tile = tile_of<T>(p.out), out_row = p.out_width() * p.out, in_size = p.height * p.width * p.in;
    std::vector<Moments<T>> moments(threads, Moments<T>(p.out, tile));
    shares(p.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> active(p.out_width() * p.in);
        for (long b = first; b < last; ++b)
            for (long r = 0; r < p.out_height(); ++r) {
                T* out = y + (b * p.out_height() + r) * out_row;
                for (size_t i = 0; i < picks.size(); ++i) {
                    const long n = picks[i].channels;
                    picked(x + b * in_size, p, picks[i], r, active.data());
                    product(active.data(), p.out_width(), p.in, matrices[i].data(), round_up(n, Simd<T>::width), n,
                            out + picks[i].first, p.out);
                }
                moments[share].add(out, p.out_width());
            }
    });
    finish(moments, eps, norm);
    if (!normed) return;
    const Affine<T> affine({norm, nullptr, nullptr}, p.out, tile);
    shares(p.pictures, threads, [&](int, long first, long last) {
        T* from = y + first * p.out_height() * out_row;
        each<T>((last - first) * p.out_height() * out_row, tile, [&](auto lane, long i, long at) {
            lane.store(from + i, lane.load(from + i) * lane.load(affine.scales() + at) +
                                     lane.load(affine.shifts() + at));
        });
    });
}

// The gradient of an output row before its norm, of the norm's output `value`; the gradient itself without a norm.
template <class T>
struct RowGradient {
    const T *gradient, *value;
    Buffer<T> a, b, d;
    RowGradient(const Projection& p, const T* gradient, const T* value, const T* norm, int threads)
        : gradient(gradient), value(value) {
        if (norm == nullptr) return;
        const long n = p.out, tile = tile_of<T>(n), pixels = p.pictures * p.out_height() * p.out_width();
        const auto sums = products(pixels, n, 1, &value, gradient, threads);
        for (Buffer<T>* each : {&a, &b, &d}) each->resize(tile);
        for (long base = 0; base < tile; base += n)
            for (long c = 0; c < n; ++c) {
                a[base + c] = norm[n + c];
                b[base + c] = T(-norm[n + c] * sums[n + c] / pixels);
                d[base + c] = T(-norm[n + c] * sums[c] / pixels);
            }
    }
    const T* operator()(long begin, long length, long tile, T* scratch) const {
        if (a.empty()) return gradient + begin;
        each<T>(length, tile, [&](auto lane, long i, long at) {
            lane.store(scratch + i, lane.load(&a[at]) * lane.load(gradient + begin + i) +
                                        lane.load(&b[at]) * lane.load(value + begin + i) + lane.load(&d[at]));
        });
        return scratch;
    }
};

// Where x is positive, what came through the convolution; x_grad must be zero where no pick writes.
template <class T>
void rectified_back(const T* inner, const T* x, const Projection& p, const Pick& pick, long r, T* x_grad) {
    const long n = pick.inside(p, r), run = p.stride == 1 ? n * p.in : p.in;
    const long row = ((p.stride * r + pick.offset) * p.width + pick.offset) * p.in;
    for (long i = 0; i < n * p.in; i += run)
        each<T>(run, Simd<T>::width, [&](auto lane, long at, long) {
            const auto value = lane.load(inner + i + at);
            lane.store(x_grad + row + i * p.stride + at,
                       lane.load(x + row + i * p.stride + at) > 0 ? value : decltype(value + value){});
        });
}

// The part of a gradient's row that belongs to a pick, its pixels padded to `stride` numbers.
template <class T>
const T* part_of(const T* row, const Projection& p, const Pick& pick, long stride, T* scratch) {
    if (pick.channels == p.out && stride == p.out) return row;
    for (long c = 0; c < p.out_width(); ++c)
        std::memcpy(scratch + c * stride, row + c * p.out + pick.first, pick.channels * sizeof(T));
    return scratch;
}

// Totals over threads, in their order, of matrices (in, stride): the rows of a pick in (out, in).
template <class T>
void weight_sums(const std::vector<Buffer<T>>& parts, const Projection& p, const Pick& pick, long stride, T* weight) {
    for (long out = 0; out < pick.channels; ++out)
        for (long in = 0; in < p.in; ++in) {
            double total = 0;
            for (const auto& part : parts) total += part[in * stride + out];
            weight[(pick.first + out) * p.in + in] = T(total);
        }
}

// The transpose of `project_forward`, through the norm where it is given with its output; gradients that are not asked for are null.
template <class T>
void project_backward(const Projection& p, const T* x, const T* weight, const T* gradient, const T* value,
                      const T* norm, T* x_grad, T* weight_grad, int threads) {
    const long tile = tile_of<T>(p.out), out_row = p.out_width() * p.out, in_size = p.height * p.width * p.in;
    const RowGradient<T> row_gradient(p, gradient, value, norm, threads);
    if (x_grad != nullptr && p.stride != 1) std::memset(x_grad, 0, p.pictures * in_size * sizeof(T));
    for (const Pick& pick : picks_of(p)) {
        const long stride = round_up(pick.channels, Simd<T>::width), columns = round_up(p.in, Simd<T>::width);
        const auto matrix = padded_matrix(weight, p, pick, false);
        std::vector<Buffer<T>> totals(threads);
        shares(p.pictures, threads, [&](int share, long first, long last) {
            Buffer<T> active(p.out_width() * p.in), inner(p.out_width() * p.in);
            Buffer<T> scratch(out_row), padded(p.out_width() * stride);
            totals[share].assign(p.in * stride, T(0));
            for (long b = first; b < last; ++b)
                for (long r = 0; r < p.out_height(); ++r) {
                    const T* row = row_gradient((b * p.out_height() + r) * out_row, out_row, tile, scratch.data());
                    const T* part = part_of(row, p, pick, stride, padded.data());
                    if (x_grad != nullptr) {
                        product(part, p.out_width(), stride, matrix.data(), columns, p.in, inner.data(), p.in);
                        rectified_back(inner.data(), x + b * in_size, p, pick, r, x_grad + b * in_size);
                    }
                    if (weight_grad == nullptr) continue;
                    picked(x + b * in_size, p, pick, r, active.data());
                    outer(active.data(), p.out_width(), p.in, part, stride, stride, totals[share].data());
                }
        });
        if (weight_grad != nullptr) weight_sums(totals, p, pick, stride, weight_grad);
    }
}

}  // namespace
