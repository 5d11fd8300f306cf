// The way back through batch norms: gradients formed where they are used.
#pragma once

#include "norm.hpp"

namespace {

// Gradients of a batch norm's weights; null where it has none.
template <class T>
struct NormGrads {
    T *weight, *bias;
};

// What the gradient of a norm's input is made of, from sums of the gradient and of its products with that input.
template <class T>
void norm_coefficients(const Norm<T>& norm, double count, long channels, const double* sums, T* coefficients,
                       const NormGrads<T>& grads) {
    for (long c = 0; c < channels; ++c) {
        const double mean = norm.mean(c), inverse = norm.inverse(c, channels), a = norm.gain(c) * inverse;
        const double plain = sums[c], product = (sums[channels + c] - mean * plain) * inverse;
        const double slope = -a * inverse * product / count;
        coefficients[c] = T(a);
        coefficients[channels + c] = T(slope);
        coefficients[2 * channels + c] = T(-a * plain / count - slope * mean);
        if (grads.weight != nullptr) grads.weight[c] = T(product);
        if (grads.bias != nullptr) grads.bias[c] = T(plain);
    }
}

// What the gradient of a raw output is made of, per channel and picture: keep * a * gradient + b * value + d. `keep`
// has a number a picture, or is null.
template <class T>
struct Source {
    const T *gradient, *value, *coefficients, *keep;
};

// Tiles of a, b and d, and of a for each picture.
template <class T>
struct Linear {
    Buffer<T> a, b, d, kept;
    const T* keep;
    Linear(const Source<T>& source, long channels, long tile)
        : a(tile, T(1)), b(tile), d(tile), kept(tile, T(1)), keep(source.keep) {
        if (source.coefficients == nullptr) return;
        repeat(source.coefficients, channels, tile, a.data());
        repeat(source.coefficients + channels, channels, tile, b.data());
        repeat(source.coefficients + 2 * channels, channels, tile, d.data());
        kept = a;
    }
    // A row of numbers; the gradient itself where it is not changed.
    const T* row(const Source<T>& source, long begin, long length, long tile, T* scratch) const {
        if (source.coefficients == nullptr && keep == nullptr) return source.gradient + begin;
        const T *g = source.gradient + begin, *value = source.value + begin;
        const bool is_plain = source.coefficients == nullptr;
        each<T>(length, tile, [&](auto lane, long i, long at) {
            lane.store(scratch + i, is_plain ? plain(lane, g + i, at) : (*this)(lane, g + i, value + i, at));
        });
        return scratch;
    }
    // To be called before the numbers of a picture are asked for, by one thread's own copy.
    void enter(long picture) {
        if (keep == nullptr) return;
        for (size_t i = 0; i < a.size(); ++i) kept[i] = a[i] * keep[picture];
    }
    // keep * gradient
    template <class Lane>
    auto plain(Lane lane, const T* gradient, long at) const {
        return lane.load(&kept[at]) * lane.load(gradient);
    }
    template <class Lane>
    auto operator()(Lane lane, const T* gradient, const T* value, long at) const {
        return lane.load(&kept[at]) * lane.load(gradient) + lane.load(&b[at]) * lane.load(value) + lane.load(&d[at]);
    }
};

}  // namespace
