// Dense 3x3 convolutions of stride 1: norm of the input, ReLU and the convolution in one pass, forward and back.
#pragma once

#include "pointwise.hpp"
#include "through.hpp"

namespace {

struct Dense {
    long pictures, in, out, height, width;
};

constexpr int kSide = 3, kTaps = kSide * kSide;

// A picture with a border of zeros, one pixel wide; pixels are `pixel` numbers apart.
template <class T>
struct Frame {
    long height, width, channels, pixel, row;
    Frame(const Dense& dense, long channels, long pixel)
        : height(dense.height), width(dense.width), channels(channels), pixel(pixel), row((dense.width + 2) * pixel) {}
    // Vectors are read up to one past the end.
    long size() const { return (height + 2) * row + Simd<T>::width; }
    long inside(long y) const { return (y + 1) * row + pixel; }
};

// Where the vector of a tap and a channel of the input begins: neighbours in a row of taps lie side by side.
inline long place_of(long tap, long channel, long channels, long columns) {
    return ((tap / kSide * channels + channel) * kSide + tap % kSide) * columns;
}

// The weights (out, in, 3, 3) as vectors over out, or turned by half a turn over in; padded to `columns`.
template <class T>
Buffer<T> tap_vectors(const T* weight, const Dense& dense, bool turned) {
    const long k = turned ? dense.out : dense.in, columns = round_up(turned ? dense.in : dense.out, Simd<T>::width);
    Buffer<T> vectors(kTaps * k * columns);
    for (long out = 0; out < dense.out; ++out)
        for (long in = 0; in < dense.in; ++in)
            for (long tap = 0; tap < kTaps; ++tap) {
                const T value = weight[(out * dense.in + in) * kTaps + tap];
                if (turned)
                    vectors[place_of(kTaps - 1 - tap, out, k, columns) + in] = value;
                else
                    vectors[place_of(tap, in, k, columns) + out] = value;
            }
    return vectors;
}

// `Run` neighbouring pixels of an output row, `Vectors` vectors of their channels: every number of the input is loaded
// once for a row of taps.
template <class T, int Run, int Vectors>
inline void dense_run(const T* in, const Frame<T>& frame, const T* weights, long columns, long n, T* out,
                      long stride) {
    constexpr long width = Simd<T>::width;
    typename Simd<T>::vector sums[Run][Vectors] = {};
    const long pixel = frame.pixel;
    for (int dy = 0; dy < kSide; ++dy) {
        const T* from = in + dy * frame.row;
        for (long i = 0; i < frame.channels; ++i, ++from, weights += kSide * columns) {
            typename Simd<T>::vector by[kSide][Vectors];
            unrolled<kSide * Vectors>([&](auto at) DADARTS_INLINE {
                by[at / Vectors][at % Vectors] = load(weights + at / Vectors * columns + at % Vectors * width);
            });
            unrolled<Run + kSide - 1>([&](auto at) DADARTS_INLINE {
                auto value = broadcast(from[at * pixel]);
                DADARTS_KEEP(value);
                unrolled<kSide * Vectors>([&](auto tap) DADARTS_INLINE {
                    constexpr int dx = tap / Vectors, v = tap % Vectors, to = at - dx;
                    if constexpr (to >= 0 && to < Run) sums[to][v] += value * by[dx][v];
                });
            });
        }
    }
    unrolled<Run>([&](auto r) DADARTS_INLINE { put<T>(sums[r], n, out + r * stride); });
}

template <class T, int Vectors>
void dense_panel(const T* in, const Frame<T>& frame, const T* weights, long columns, long n, T* out, long stride) {
    constexpr int kMost = (kVectorBytes == 64 ? 16 : 8) / Vectors;
    const long pixel = frame.pixel, width = frame.width;
    long p = 0;
    for (; p + kMost <= width; p += kMost)
        dense_run<T, kMost, Vectors>(in + p * pixel, frame, weights, columns, n, out + p * stride, stride);
    for (; p + 4 <= width; p += 4)
        dense_run<T, 4, Vectors>(in + p * pixel, frame, weights, columns, n, out + p * stride, stride);
    for (; p < width; ++p)
        dense_run<T, 1, Vectors>(in + p * pixel, frame, weights, columns, n, out + p * stride, stride);
}

// An output row (width, n); `in` is the frame at its first tap, columns are n in whole vectors.
template <class T>
void dense_row(const T* in, const Frame<T>& frame, const T* weights, long columns, long n, T* out) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < columns; c += 2 * width)
        dense_panel<T, 2>(in, frame, weights + c, columns, n - c, out + c, n);
    if (c < columns) dense_panel<T, 1>(in, frame, weights + c, columns, n - c, out + c, n);
}

// Gradients of `Taps` neighbours of a row of taps, `Channels` of the input and `Vectors` vectors of the output, from n
// rows of pixels. What lies around a gradient's pixels is zero.
template <class T, int Channels, int Taps, int Vectors>
inline void dense_outer_block(const T* in, const Frame<T>& of, long n, const T* gradient, const Frame<T>& by, T* to) {
    constexpr long width = Simd<T>::width;
    constexpr int kSums = Channels * Taps * Vectors;
    const long columns = by.pixel;
    const auto place = [&](int at) {
        return to + (at / Vectors / Taps * kSide + at / Vectors % Taps) * columns + at % Vectors * width;
    };
    typename Simd<T>::vector sums[kSums];
    unrolled<kSums>([&](auto at) DADARTS_INLINE { sums[at] = load(place(at)); });
    for (long y = 0; y < n; ++y) {
        const T *from = in + y * of.row, *g = gradient + y * by.row;
        for (long p = 0; p < of.width + Taps - 1; ++p, from += of.pixel, g += columns) {
            typename Simd<T>::vector times[Taps * Vectors];
            unrolled<Taps * Vectors>([&](auto at) DADARTS_INLINE {
                times[at] = load(g - at / Vectors * columns + at % Vectors * width);
            });
            unrolled<Channels>([&](auto i) DADARTS_INLINE {
                auto value = broadcast(from[i]);
                if constexpr (Taps > 1) {
                    DADARTS_KEEP(value);
                }
                unrolled<Taps * Vectors>(
                    [&](auto at) DADARTS_INLINE { sums[i * Taps * Vectors + at] += value * times[at]; });
            });
        }
    }
    unrolled<kSums>([&](auto at) DADARTS_INLINE { store(place(at), sums[at]); });
}

// Of one vector a row of taps is taken at once, which saves loads; two give enough to do for each.
template <class T, int Vectors>
void dense_outer_panel(const T* in, const Frame<T>& of, long n, const T* gradient, const Frame<T>& by, T* sums) {
    constexpr int kTogether = Vectors == 1 ? kSide : 1, kMost = kVectorBytes == 64 ? 8 : 4;
    for (int tap = 0; tap < kTaps; tap += kTogether) {
        const T* from = in + tap / kSide * of.row + tap % kSide * of.pixel;
        T* to = sums + place_of(tap, 0, of.channels, by.pixel);
        long i = 0;
        for (; i + kMost <= of.channels; i += kMost)
            dense_outer_block<T, kMost, kTogether, Vectors>(from + i, of, n, gradient, by, to + i * kSide * by.pixel);
        for (; i < of.channels; ++i)
            dense_outer_block<T, 1, kTogether, Vectors>(from + i, of, n, gradient, by, to + i * kSide * by.pixel);
    }
}

// Gradients of all weights from n rows, laid out as `tap_vectors`.
template <class T>
void dense_outer(const T* in, const Frame<T>& of, long n, const T* gradient, const Frame<T>& by, T* sums) {
    constexpr long width = Simd<T>::width;
    long c = 0;
    for (; c + width < by.pixel; c += 2 * width) dense_outer_panel<T, 2>(in, of, n, gradient + c, by, sums + c);
    if (c < by.pixel) dense_outer_panel<T, 1>(in, of, n, gradient + c, by, sums + c);
}

// The interior of a frame: a picture behind its norm, rectified where it is asked for. NaN stays NaN.
template <class T>
void enter(const T* x, const Affine<T>& affine, bool rectify, const Frame<T>& frame, T* framed) {
    const long channels = frame.channels, n = frame.width * channels, tile = tile_of<T>(channels);
    for (long y = 0; y < frame.height; ++y)
        each<T>(n, tile, [&](auto lane, long i, long at) {
            auto value = affine(lane, x + y * n + i, at);
            if (rectify) value = value <= 0 ? decltype(value){} : value;
            lane.store(framed + frame.inside(y) + i, value);
        });
}

template <class T>
void dense_forward(const Dense& dense, const T* x, const Norm<T>& norm, bool rectify, const T* weight, double eps, T* y,
                   T* out_norm, T* variance, int threads) {
    const Frame<T> frame(dense, dense.in, dense.in);
    const auto weights = tap_vectors(weight, dense, false);
    const Affine<T> affine(norm, dense.in, tile_of<T>(dense.in));
    const long columns = round_up(dense.out, Simd<T>::width), out_row = dense.width * dense.out;
    std::vector<Moments<T>> moments(threads, Moments<T>(dense.out, tile_of<T>(dense.out)));
    shares(dense.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> framed(frame.size());
        for (long b = first; b < last; ++b) {
            enter(x + b * dense.height * dense.width * dense.in, affine, rectify, frame, framed.data());
            for (long r = 0; r < dense.height; ++r) {
                T* out = y + (b * dense.height + r) * out_row;
                dense_row(framed.data() + r * frame.row, frame, weights.data(), columns, dense.out, out);
                moments[share].add(out, dense.width);
            }
        }
    });
    finish(moments, eps, out_norm, variance);
}

// Totals over threads, in their order, of vectors of taps: (out, in, 3, 3).
template <class T>
void dense_sums(const std::vector<Buffer<T>>& parts, const Dense& dense, long columns, T* weight) {
    for (long tap = 0; tap < kTaps; ++tap)
        for (long in = 0; in < dense.in; ++in)
            for (long out = 0; out < dense.out; ++out) {
                double total = 0;
                for (const auto& part : parts) total += part[place_of(tap, in, dense.in, columns) + out];
                weight[(out * dense.in + in) * kTaps + tap] = T(total);
            }
}

// The transpose of `dense_forward`, where x_grad is not null the gradient of x behind its norm too.
template <class T>
void dense_backward(const Dense& dense, const T* x, const Norm<T>& norm, bool rectify, const T* weight,
                    const Source<T>& source, bool accumulate, T* x_grad, T* weight_grad, int threads) {
    const long columns = round_up(dense.out, Simd<T>::width), in_columns = round_up(dense.in, Simd<T>::width);
    const Frame<T> frame(dense, dense.in, dense.in), back(dense, dense.out, columns);
    const auto weights = tap_vectors(weight, dense, true);
    const Affine<T> affine(norm, dense.in, tile_of<T>(dense.in));
    const long in_row = dense.width * dense.in, out_row = dense.width * dense.out, tile = tile_of<T>(dense.out);
    // So many rows at a time that they stay near while all taps pass over them.
    const long band = std::clamp(256 / dense.width, 1L, dense.height);
    std::vector<Buffer<T>> totals(threads);
    shares(dense.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> framed(frame.size()), gradient(back.size()), row(out_row), inner(in_row);
        Linear<T> through(source, dense.out, tile);
        totals[share].assign(kTaps * dense.in * columns, T(0));
        for (long b = first; b < last; ++b) {
            const long picture = b * dense.height;
            enter(x + picture * in_row, affine, rectify, frame, framed.data());
            through.enter(b);
            for (long r = 0; r < dense.height; ++r) {
                const T* from = through.row(source, (picture + r) * out_row, out_row, tile, row.data());
                T* to = gradient.data() + back.inside(r);
                for (long p = 0; p < dense.width; ++p)
                    std::memcpy(to + p * columns, from + p * dense.out, dense.out * sizeof(T));
            }
            for (long r = 0; r < dense.height; r += band)
                dense_outer(framed.data() + r * frame.row, frame, std::min(band, dense.height - r),
                            gradient.data() + back.inside(r), back, totals[share].data());
            if (x_grad == nullptr) continue;
            for (long r = 0; r < dense.height; ++r) {
                dense_row(gradient.data() + r * back.row, back, weights.data(), in_columns, dense.in, inner.data());
                const T* active = framed.data() + frame.inside(r);
                T* to = x_grad + (picture + r) * in_row;
                each<T>(in_row, Simd<T>::width, [&](auto lane, long i, long) {
                    auto value = lane.load(&inner[i]);
                    if (rectify) value = lane.load(active + i) > 0 ? value : decltype(value + value){};
                    lane.store(to + i, accumulate ? lane.load(to + i) + value : value);
                });
            }
        }
    });
    dense_sums(totals, dense, columns, weight_grad);
}

}  // namespace
