// Nodes of a discrete network: sums of raw outputs behind their norms, paths dropped picture by picture.
#pragma once

#include "through.hpp"

namespace {

// A term of a sum: a raw output, its norm, and by picture what it is multiplied with; null is 1.
template <class T>
struct Term {
    const T* x;
    Norm<T> norm;
    const T* keep;
    T* coefficients;
    NormGrads<T> grads;
};

// out (+)= the sum of up to four terms of a picture.
template <class T, int Terms>
void summed(const T* const* x, const T* scales, const T* base, long length, long tile, bool accumulate, T* out) {
    each<T>(length, tile, [&](auto lane, long i, long at) {
        auto total = lane.load(base + at);
        if (accumulate) total += lane.load(out + i);
        for (int u = 0; u < Terms; ++u) total += lane.load(scales + u * tile + at) * lane.load(x[u] + i);
        lane.store(out + i, total);
    });
}

// out = sum over terms of keep * (weight * (x - mean) / deviation + bias).
template <class T>
void node_forward(long pictures, long pixels, long channels, long terms, const Term<T>* of, T* out, int threads) {
    constexpr long kTogether = 4;
    const long tile = tile_of<T>(channels), length = pixels * channels;
    std::vector<double> scale(terms * channels), shift(terms * channels);
    for (long j = 0; j < terms; ++j)
        for (long c = 0; c < channels; ++c) {
            const Norm<T>& norm = of[j].norm;
            const double by = norm.gain(c) * norm.inverse(c, channels);
            scale[j * channels + c] = by;
            shift[j * channels + c] = norm.offset(c) - by * norm.mean(c);
        }
    shares(pictures, threads, [&](int, long first, long last) {
        Buffer<T> scales(kTogether * tile), base(tile), row(channels);
        const T* from[kTogether];
        for (long b = first; b < last; ++b)
            for (long j = 0; j < terms; j += kTogether) {
                const long n = std::min(kTogether, terms - j);
                std::vector<double> shifts(channels);
                for (long u = 0; u < n; ++u) {
                    const double keep = of[j + u].keep == nullptr ? 1 : of[j + u].keep[b];
                    for (long c = 0; c < channels; ++c) {
                        row[c] = T(keep * scale[(j + u) * channels + c]);
                        shifts[c] += keep * shift[(j + u) * channels + c];
                    }
                    repeat(row.data(), channels, tile, scales.data() + u * tile);
                    from[u] = of[j + u].x + b * length;
                }
                for (long c = 0; c < channels; ++c) row[c] = T(shifts[c]);
                repeat(row.data(), channels, tile, base.data());
                const auto sum = n == 1 ? summed<T, 1> : n == 2 ? summed<T, 2> : n == 3 ? summed<T, 3> : summed<T, 4>;
                sum(from, scales.data(), base.data(), length, tile, j > 0, out + b * length);
            }
    });
}

// The way back: what the gradient of every term's raw output is made of, and gradients of its norm's weights.
template <class T>
void node_backward(long pictures, long pixels, long channels, long terms, const Term<T>* of, const T* gradient,
                   int threads) {
    const long tile = tile_of<T>(channels), length = pixels * channels, each_term = 2 * channels;
    std::vector<std::vector<double>> parts(threads, std::vector<double>(terms * each_term));
    shares(pictures, threads, [&](int share, long first, long last) {
        Buffer<T> plain(channels), product(channels), scratch(tile);
        for (long b = first; b < last; ++b) {
            const T* g = gradient + b * length;
            std::fill(plain.begin(), plain.end(), T(0));
            channel_sums(length, channels, tile, scratch.data(), plain.data(),
                         [&](auto lane, long i, long) { return lane.load(g + i); });
            for (long j = 0; j < terms; ++j) {
                const double keep = of[j].keep == nullptr ? 1 : of[j].keep[b];
                if (keep == 0) continue;
                const T* x = of[j].x + b * length;
                std::fill(product.begin(), product.end(), T(0));
                channel_sums(length, channels, tile, scratch.data(), product.data(),
                             [&](auto lane, long i, long) { return lane.load(g + i) * lane.load(x + i); });
                double* to = parts[share].data() + j * each_term;
                for (long c = 0; c < channels; ++c) {
                    to[c] += keep * plain[c];
                    to[channels + c] += keep * product[c];
                }
            }
        }
    });
    for (long j = 0; j < terms; ++j) {
        double* sums = parts[0].data() + j * each_term;
        for (int s = 1; s < threads; ++s)
            for (long i = 0; i < each_term; ++i) sums[i] += parts[s][j * each_term + i];
        norm_coefficients(of[j].norm, double(pictures) * pixels, channels, sums, of[j].coefficients, of[j].grads);
    }
}

// to (+)= keep * gradient, or keep * a * gradient + b * value + d where there are coefficients.
template <class T>
void spread(long pictures, long pixels, long channels, const Source<T>& source, bool accumulate, T* to, int threads) {
    const long tile = tile_of<T>(channels), length = pixels * channels;
    shares(pictures, threads, [&](int, long first, long last) {
        Linear<T> through(source, channels, tile);
        for (long b = first; b < last; ++b) {
            through.enter(b);
            const T *g = source.gradient + b * length, *value = source.value + b * length;
            T* out = to + b * length;
            const bool is_plain = source.coefficients == nullptr;
            each<T>(length, tile, [&](auto lane, long i, long at) {
                auto total = is_plain ? through.plain(lane, g + i, at) : through(lane, g + i, value + i, at);
                lane.store(out + i, accumulate ? lane.load(out + i) + total : total);
            });
        }
    });
}

// to = norm(x), rectified where it is asked for. NaN stays NaN.
template <class T>
void activate(long pixels, long channels, const T* x, const Norm<T>& norm, bool rectify, T* to, int threads) {
    const long tile = tile_of<T>(channels);
    const Affine<T> affine(norm, channels, tile);
    shares(pixels, threads, [&](int, long first, long last) {
        const T* from = x + first * channels;
        T* out = to + first * channels;
        each<T>((last - first) * channels, tile, [&](auto lane, long i, long at) {
            auto value = affine(lane, from + i, at);
            if (rectify) value = value <= 0 ? decltype(value){} : value;
            lane.store(out + i, value);
        });
    });
}

// to (+)= gradient where norm(x) is positive.
template <class T>
void rectify_back(long pixels, long channels, const T* x, const Norm<T>& norm, const T* gradient, bool accumulate,
                  T* to, int threads) {
    const long tile = tile_of<T>(channels);
    const Affine<T> affine(norm, channels, tile);
    shares(pixels, threads, [&](int, long first, long last) {
        const T *from = x + first * channels, *g = gradient + first * channels;
        T* out = to + first * channels;
        each<T>((last - first) * channels, tile, [&](auto lane, long i, long at) {
            const auto value = lane.load(g + i);
            const auto passed = affine(lane, from + i, at) > 0 ? value : decltype(value + value){};
            lane.store(out + i, accumulate ? lane.load(out + i) + passed : passed);
        });
    });
}

}  // namespace
