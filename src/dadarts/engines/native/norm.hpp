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
        : mean(channels), squares(channels), channels_(channels), tile_(tile), sums_(2 * tile), centre_(tile) {}

    // Distances are first taken from a pixel near by, which keeps the digits of channels far from zero, and summed up
    // in T over some hundred pixels at most.
    void add(const T* pixels, long n) {
        constexpr long width = Simd<T>::width, kPending = 256;
        if (pending_ == 0) repeat(pixels, channels_, tile_, centre_.data());
        const long length = n * channels_, whole = length / tile_ * tile_;
        for (long at = 0; at < tile_; at += width) {
            const auto centre = load(&centre_[at]);
            auto even = load(&sums_[at]), even_squares = load(&sums_[tile_ + at]);
            decltype(even) odd = {}, odd_squares = {};
            long i = at;
            for (; i + tile_ < whole; i += 2 * tile_) {
                const auto one = load(pixels + i) - centre, other = load(pixels + i + tile_) - centre;
                even += one, odd += other;
                even_squares += one * one, odd_squares += other * other;
            }
            if (i < whole) {
                const auto one = load(pixels + i) - centre;
                even += one, even_squares += one * one;
            }
            store(&sums_[at], even + odd);
            store(&sums_[tile_ + at], even_squares + odd_squares);
        }
        for (long i = whole; i < length; ++i) {
            const T one = pixels[i] - centre_[i - whole];
            sums_[i - whole] += one, sums_[tile_ + i - whole] += one * one;
        }
        pending_ += n;
        if (pending_ >= kPending) flush();
    }

    // To be called after the last pixel.
    void flush() {
        if (pending_ == 0) return;
        const double n = double(pending_);
        std::vector<double> sums(2 * channels_);
        for (long base = 0; base < tile_; base += channels_)
            for (long c = 0; c < channels_; ++c) {
                sums[c] += sums_[base + c];
                sums[channels_ + c] += sums_[tile_ + base + c];
            }
        merge(
            n, [&](long c) { return centre_[c] + sums[c] / n; },
            [&](long c) { return std::max(0.0, sums[channels_ + c] - sums[c] * sums[c] / n); });
        std::fill(sums_.begin(), sums_.end(), T(0));
        pending_ = 0;
    }

    void add(const Moments& other) {
        if (other.count > 0)
            merge(other.count, [&](long c) { return other.mean[c]; }, [&](long c) { return other.squares[c]; });
    }

   private:
    long channels_, tile_, pending_ = 0;
    Buffer<T> sums_, centre_;

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

// (mean, 1 / sqrt(variance + eps)) of a batch norm, and its variance where it is asked for.
template <class T>
void finish(std::vector<Moments<T>>& parts, double eps, T* norm, T* variance = nullptr) {
    for (auto& part : parts) part.flush();
    Moments<T> all = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) all.add(parts[i]);
    const size_t channels = all.mean.size();
    for (size_t c = 0; c < channels; ++c) {
        norm[c] = T(all.mean[c]);
        norm[channels + c] = T(1 / std::sqrt(all.squares[c] / all.count + eps));
        if (variance != nullptr) variance[c] = T(all.squares[c] / all.count);
    }
}

// A batch norm: (mean, 1 / deviation), and its weights where it has any. Without the first it changes nothing.
template <class T>
struct Norm {
    const T *norm, *weight, *bias;
    double mean(long c) const { return norm == nullptr ? 0.0 : norm[c]; }
    double inverse(long c, long channels) const { return norm == nullptr ? 1.0 : norm[channels + c]; }
    double gain(long c) const { return weight == nullptr ? 1.0 : weight[c]; }
    double offset(long c) const { return bias == nullptr ? 0.0 : bias[c]; }
};

// Tiles of the scale and shift of a norm.
template <class T>
struct Affine {
    Buffer<T> scale, shift;
    Affine(const Norm<T>& by, long channels, long tile) {
        if (by.norm == nullptr) return;
        scale.resize(tile);
        shift.resize(tile);
        for (long base = 0; base < tile; base += channels)
            for (long c = 0; c < channels; ++c) {
                const T slope = T(by.gain(c) * by.norm[channels + c]);
                scale[base + c] = slope;
                shift[base + c] = T(by.offset(c) - double(by.norm[c]) * slope);
            }
    }
    template <class Lane>
    auto operator()(Lane lane, const T* x, long at) const {
        auto value = lane.load(x);
        if (!scale.empty()) value = value * lane.load(&scale[at]) + lane.load(&shift[at]);
        return value;
    }
    const T* scales() const { return scale.empty() ? nullptr : scale.data(); }
    const T* shifts() const { return shift.empty() ? nullptr : shift.data(); }
};

template <class T>
void norm_of(long pictures, long pixels, long channels, const T* x, double eps, T* norm, T* variance, int threads) {
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, tile_of<T>(channels)));
    shares(pictures, threads, [&](int share, long first, long last) {
        constexpr long kRun = 64;
        for (long p = first * pixels; p < last * pixels; p += kRun)
            moments[share].add(x + p * channels, std::min(kRun, last * pixels - p));
    });
    finish(moments, eps, norm, variance);
}

}  // namespace
