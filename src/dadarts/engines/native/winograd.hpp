// Dense 3x3 convolutions of stride 1 with fewer products: Winograd's F(2x2, 3x3), as in Lavin and Gray (2015), arXiv
// 1509.09308. An output of 2x2 pixels takes 16 products of channels with channels, where 36 are made one by one:
//
//     y = A' [(G g G') * (B' d B)] A        d: 4x4 pixels of the input, g: the kernel, *: place by place
//
// The gradient of d is the same function of y's gradient and of the kernel turned by half a turn; that of g is
//
//     dg = G' [sum over tiles of (B' d B) * (A dy A')] G
//
// Each of the 16 places is a matrix product of its own, of all tiles of a band.
#pragma once

#include "tiles.hpp"

namespace {

constexpr double kG[kEdge][kSide] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

// Fewer channels than a vector holds would be filled up with zeros.
template <class T>
bool is_tiled(const Dense& dense) {
    return std::min(dense.in, dense.out) >= Simd<T>::width;
}

// G g G' of weights (out, in, 3, 3): for every place a matrix (in, out), or turned by half a turn (out, in).
template <class T>
Buffer<T> place_matrices(const T* weight, const Dense& dense, bool turned) {
    const long rows = round_up(turned ? dense.out : dense.in, Simd<T>::width);
    const long columns = round_up(turned ? dense.in : dense.out, Simd<T>::width);
    Buffer<T> matrices(kPlaces * rows * columns);
    for (long out = 0; out < dense.out; ++out)
        for (long in = 0; in < dense.in; ++in)
            for (int place = 0; place < kPlaces; ++place) {
                const T* taps = weight + (out * dense.in + in) * kTaps;
                double total = 0;
                for (int tap = 0; tap < kTaps; ++tap)
                    total += kG[place / kEdge][tap / kSide] * kG[place % kEdge][tap % kSide] *
                             taps[turned ? kTaps - 1 - tap : tap];
                matrices[(place * rows + (turned ? out : in)) * columns + (turned ? in : out)] = T(total);
            }
    return matrices;
}

// G' s G of totals over threads, in their order: gradients of weights (out, in, 3, 3).
template <class T>
void place_sums(const std::vector<Buffer<T>>& parts, const Dense& dense, T* weight) {
    const long rows = round_up(dense.in, Simd<T>::width), columns = round_up(dense.out, Simd<T>::width);
    for (long in = 0; in < dense.in; ++in)
        for (long out = 0; out < dense.out; ++out) {
            double sums[kPlaces] = {};
            for (int place = 0; place < kPlaces; ++place)
                for (const auto& part : parts) sums[place] += part[(place * rows + in) * columns + out];
            for (int tap = 0; tap < kTaps; ++tap) {
                double total = 0;
                for (int place = 0; place < kPlaces; ++place)
                    total += kG[place / kEdge][tap / kSide] * kG[place % kEdge][tap % kSide] * sums[place];
                weight[(out * dense.in + in) * kTaps + tap] = T(total);
            }
        }
}

// B' d B of n rows of tiles of a framed picture.
template <class T>
void input_band(const T* framed, const Tiling<T>& of, long first, long n, T* to) {
    for (long r = 0; r < n; ++r)
        input_tiles(framed + 2 * (first + r) * of.row, of, to + r * of.across * of.pixel);
}

// Convolves a framed picture; calls body(y, row) with every output row, (width, channels) numbers.
template <class T>
class Convolution {
   public:
    Convolution(const Tiling<T>& from, const Tiling<T>& to, const Buffer<T>& matrices)
        : from_(from), to_(to), matrices_(matrices), inputs_(kPlaces * from.plane), outputs_(kPlaces * to.plane),
          rows_(4 * to.across * to.pixel), row_(to.width * to.channels) {}

    template <class Body>
    void operator()(const T* framed, Body body) {
        for (long first = 0; first < from_.down; first += from_.band) {
            const long n = std::min(from_.band, from_.down - first);
            input_band(framed, from_, first, n, inputs_.data());
            for (int place = 0; place < kPlaces; ++place)
                product(&inputs_[place * from_.plane], n * from_.across, from_.pixel,
                        &matrices_[place * from_.pixel * to_.pixel], to_.pixel, to_.pixel,
                        &outputs_[place * to_.plane], to_.pixel);
            for (long r = 0; r < n; ++r) {
                output_tiles(&outputs_[r * to_.across * to_.pixel], to_, rows_.data());
                for (long y = 2 * (first + r); y < std::min(2 * (first + r) + 2, to_.height); ++y)
                    body(y, settled(&rows_[y % 2 * 2 * to_.across * to_.pixel]));
            }
        }
    }

   private:
    const Tiling<T>&from_, &to_;
    const Buffer<T>& matrices_;
    Buffer<T> inputs_, outputs_, rows_, row_;

    // A row without what fills its pixels up.
    const T* settled(const T* row) {
        if (to_.pixel == to_.channels) return row;
        for (long x = 0; x < to_.width; ++x)
            std::memcpy(&row_[x * to_.channels], row + x * to_.pixel, to_.channels * sizeof(T));
        return row_.data();
    }
};

// A picture behind its norm, rectified where it is asked for. NaN stays NaN.
template <class T>
void enter(const T* x, const Affine<T>& affine, bool rectify, const Tiling<T>& of, T* scratch, T* framed) {
    const long n = of.width * of.channels, tile = tile_of<T>(of.channels);
    for (long y = 0; y < of.height; ++y) {
        T* to = of.place(y, framed, scratch);
        each<T>(n, tile, [&](auto lane, long i, long at) {
            auto value = affine(lane, x + y * n + i, at);
            if (rectify) value = value <= 0 ? decltype(value){} : value;
            lane.store(to + i, value);
        });
        of.settle(y, framed, scratch);
    }
}

// `dense_forward` in tiles.
template <class T>
void tiled_forward(const Dense& dense, const T* x, const Norm<T>& norm, bool rectify, const T* weight, double eps, T* y,
                   T* out_norm, T* variance, int threads) {
    const Tiling<T> in(dense, dense.in), out(dense, dense.out);
    const auto matrices = place_matrices(weight, dense, false);
    const Affine<T> affine(norm, dense.in, tile_of<T>(dense.in));
    const long in_row = dense.width * dense.in, out_row = dense.width * dense.out;
    std::vector<Moments<T>> moments(threads, Moments<T>(dense.out, tile_of<T>(dense.out)));
    shares(dense.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> framed(in.size()), scratch(in_row);
        Convolution<T> convolved(in, out, matrices);
        for (long b = first; b < last; ++b) {
            enter(x + b * dense.height * in_row, affine, rectify, in, scratch.data(), framed.data());
            convolved(framed.data(), [&](long r, const T* row) {
                std::memcpy(y + (b * dense.height + r) * out_row, row, out_row * sizeof(T));
                moments[share].add(row, dense.width);
            });
        }
    });
    finish(moments, eps, out_norm, variance);
}

// `dense_backward` in tiles.
template <class T>
void tiled_backward(const Dense& dense, const T* x, const Norm<T>& norm, bool rectify, const T* weight,
                    const Source<T>& source, bool accumulate, T* x_grad, T* weight_grad, int threads) {
    const Tiling<T> in(dense, dense.in), out(dense, dense.out);
    const auto matrices = place_matrices(weight, dense, true);
    const Affine<T> affine(norm, dense.in, tile_of<T>(dense.in));
    const long in_row = dense.width * dense.in, out_row = dense.width * dense.out, tile = tile_of<T>(dense.out);
    std::vector<Buffer<T>> totals(threads);
    shares(dense.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> framed(in.size()), gradient(out.size()), scratch(std::max(in_row, out_row));
        Buffer<T> inputs(kPlaces * in.plane), spread(kPlaces * out.plane);
        Convolution<T> back(out, in, matrices);
        Linear<T> through(source, dense.out, tile);
        totals[share].assign(kPlaces * in.pixel * out.pixel, T(0));
        for (long b = first; b < last; ++b) {
            const long picture = b * dense.height;
            enter(x + picture * in_row, affine, rectify, in, scratch.data(), framed.data());
            through.enter(b);
            for (long r = 0; r < dense.height; ++r) {
                T* to = out.place(r, gradient.data(), scratch.data());
                const T* from = through.row(source, (picture + r) * out_row, out_row, tile, to);
                if (from != to) std::memcpy(to, from, out_row * sizeof(T));
                out.settle(r, gradient.data(), scratch.data());
            }
            for (long r = 0; r < out.down; r += out.band) {
                const long n = std::min(out.band, out.down - r);
                input_band(framed.data(), in, r, n, inputs.data());
                for (long i = 0; i < n; ++i)
                    gradient_tiles(gradient.data() + out.inside(2 * (r + i)), out, &spread[i * out.across * out.pixel]);
                for (int place = 0; place < kPlaces; ++place)
                    outer(&inputs[place * in.plane], n * in.across, in.pixel, &spread[place * out.plane], out.pixel,
                          out.pixel, &totals[share][place * in.pixel * out.pixel]);
            }
            if (x_grad == nullptr) continue;
            back(gradient.data(), [&](long r, const T* row) {
                T* to = x_grad + (picture + r) * in_row;
                // What was rectified is positive where it is passed on.
                const T* active = x + (picture + r) * in_row;
                each<T>(in_row, tile_of<T>(dense.in), [&](auto lane, long i, long at) {
                    auto value = lane.load(row + i);
                    if (rectify) value = affine(lane, active + i, at) > 0 ? value : decltype(value + value){};
                    lane.store(to + i, accumulate ? lane.load(to + i) + value : value);
                });
            });
        }
    });
    place_sums(totals, dense, weight_grad);
}

}  // namespace
