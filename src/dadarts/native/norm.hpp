// Batch norms: sums and moments per channel.
#pragma once

#include <cmath>

#include "window.hpp"

namespace {

// sums[c] += sum of value(lane, i, i % tile) over the numbers i of channel c.
template <class T, class Value>
void channel_sums(long length, long channels, long tile, T* scratch, T* sums, Value value) {
    constexpr long width = Simd<T>::width;
    const long whole = length / tile * tile;
    for (long at = 0; at < tile; at += width) {
        typename Simd<T>::vector even = {}, odd = {};
        long i = at;
        for (; i + tile < whole; i += 2 * tile) {
            even += value(VectorLane<T>(), i, at);
            odd += value(VectorLane<T>(), i + tile, at);
        }
        if (i < whole) even += value(VectorLane<T>(), i, at);
        store(scratch + at, even + odd);
    }
    for (long i = whole; i < length; ++i) scratch[i - whole] += value(ScalarLane<T>(), i, i - whole);
    for (long base = 0; base < tile; base += channels)
        for (long c = 0; c < channels; ++c) sums[c] += scratch[base + c];
}

// Count, mean and sum of squared distances from it, per channel; merged as in Chan, Golub and LeVeque (1979).
template <class T>
class Moments {
   public:
    double count = 0;
    std::vector<double> mean, squares;
    Moments(long channels, long tile)
        : mean(channels),
          squares(channels),
          channels_(channels),
          tile_(tile),
          scratch_(tile),
          sums_(2 * channels),
          centre_(tile) {}

    // Distances are first taken from the first pixel, which keeps the digits of channels far from zero.
    void add(const T* pixels, long n) {
        repeat(pixels, channels_, tile_, centre_.data());
        std::fill(sums_.begin(), sums_.end(), T(0));
        const T* centre = centre_.data();
        const auto distance = [&](auto lane, long i, long at) {
            return lane.load(pixels + i) - lane.load(centre + at);
        };
        channel_sums(n * channels_, channels_, tile_, scratch_.data(), sums_.data(), distance);
        channel_sums(n * channels_, channels_, tile_, scratch_.data(), sums_.data() + channels_,
                     [&](auto lane, long i, long at) {
                         const auto from_centre = distance(lane, i, at);
                         return from_centre * from_centre;
                     });
        merge(
            n, [&](long c) { return double(centre_[c]) + double(sums_[c]) / n; },
            [&](long c) { return std::max(0.0, sums_[channels_ + c] - double(sums_[c]) * sums_[c] / n); });
    }

    void add(const Moments& other) {
        if (other.count > 0)
            merge(other.count, [&](long c) { return other.mean[c]; }, [&](long c) { return other.squares[c]; });
    }

   private:
    long channels_, tile_;
    Buffer<T> scratch_, sums_, centre_;

    template <class Mean, class Squares>
    void merge(double n, Mean mean_of, Squares squares_of) {
        const double total = count + n, share = n / total, weight = count * share;
        for (long c = 0; c < channels_; ++c) {
            const double distance = mean_of(c) - mean[c];
            mean[c] += distance * share;
            squares[c] += squares_of(c) + distance * distance * weight;
        }
        count = total;
    }
};

// (mean, 1 / sqrt(variance + eps)) of a batch norm.
template <class T>
void finish(const std::vector<Moments<T>>& parts, double eps, T* norm) {
    Moments<T> all = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) all.add(parts[i]);
    const size_t channels = all.mean.size();
    for (size_t c = 0; c < channels; ++c) {
        norm[c] = T(all.mean[c]);
        norm[channels + c] = T(1 / std::sqrt(all.squares[c] / all.count + eps));
    }
}

// Tiles of the scale and shift of a norm (mean, 1 / deviation).
template <class T>
struct Affine {
    Buffer<T> scale, shift;
    Affine(const T* norm, long channels, long tile) {
        if (norm == nullptr) return;
        scale.resize(tile);
        shift.resize(tile);
        for (long i = 0; i < tile; ++i) {
            const long c = i % channels;
            scale[i] = norm[channels + c];
            shift[i] = -norm[c] * norm[channels + c];
        }
    }
    const T* scales() const { return scale.empty() ? nullptr : scale.data(); }
    const T* shifts() const { return shift.empty() ? nullptr : shift.data(); }
};

template <class T>
void norm_of(long pictures, long pixels, long channels, const T* x, double eps, T* norm, int threads) {
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, tile_of<T>(channels)));
    shares(pictures, threads, [&](int share, long first, long last) {
        constexpr long kRun = 64;
        for (long p = first * pixels; p < last * pixels; p += kRun)
            moments[share].add(x + p * channels, std::min(kRun, last * pixels - p));
    });
    finish(moments, eps, norm);
}

}  // namespace
