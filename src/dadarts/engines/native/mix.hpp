// Weighted sums of many pictures behind their norms, and the way back.
#pragma once

#include "norm.hpp"

namespace {

// out = sum over terms of weights[term] * (x[term] - mean) / deviation.
template <class T>
void mix(long pixels, long channels, long terms, const T* const* x, const T* const* norms, const double* weights,
         T* out, int threads) {
    const long tile = tile_of<T>(channels);
    const long block = tile * std::max(1L, 2048 / tile), length = pixels * channels;
    Buffer<T> scale((terms + 1) * tile), base(tile), scales(channels), bias(channels);
    std::vector<double> shift(channels);
    for (long j = 0; j < terms; ++j) {
        const Norm<T> norm{norms[j], nullptr, nullptr};
        for (long c = 0; c < channels; ++c) {
            const double by = weights[j] * norm.inverse(c, channels);
            scales[c] = T(by);
            shift[c] -= by * norm.mean(c);
        }
        repeat(scales.data(), channels, tile, scale.data() + j * tile);
    }
    for (long c = 0; c < channels; ++c) bias[c] = T(shift[c]);
    repeat(bias.data(), channels, tile, base.data());
    shares((length + block - 1) / block, threads, [&](int, long first, long last) {
        for (long n = first; n < last; ++n) {
            const long begin = n * block, end = std::min(length, begin + block);
            each<T>(end - begin, tile,
                    [&](auto lane, long i, long at) { lane.store(out + begin + i, lane.load(&base[at])); });
            for (long j = 0; j < terms; j += 4) {
                // Fewer than four are left at the end: the others are given no weight.
                const T* from[4];
                const T* by[4];
                for (long u = 0; u < 4; ++u) {
                    from[u] = x[std::min(j + u, terms - 1)] + begin;
                    by[u] = scale.data() + (j + u < terms ? j + u : terms) * tile;
                }
                each<T>(end - begin, tile, [&](auto lane, long i, long at) {
                    auto total = lane.load(out + begin + i);
                    for (int u = 0; u < 4; ++u) total += lane.load(by[u] + at) * lane.load(from[u] + i);
                    lane.store(out + begin + i, total);
                });
            }
        }
    });
}

// Per channel the sum of gradient, then of gradient * x[term] for every term.
template <class T>
std::vector<double> products(long pixels, long channels, long terms, const T* const* x, const T* gradient,
                             int threads) {
    const long tile = tile_of<T>(channels);
    const long block = tile * std::max(1L, 2048 / tile), length = pixels * channels;
    std::vector<std::vector<double>> parts(threads, std::vector<double>((1 + terms) * channels));
    shares((length + block - 1) / block, threads, [&](int share, long first, long last) {
        Buffer<T> total(channels), scratch(tile);
        for (long n = first; n < last; ++n) {
            const long begin = n * block, end = std::min(length, begin + block);
            for (long j = 0; j <= terms; ++j) {
                const T *by = gradient + begin, *from = j == 0 ? nullptr : x[j - 1] + begin;
                std::fill(total.begin(), total.end(), T(0));
                if (j == 0)
                    channel_sums(end - begin, channels, tile, scratch.data(), total.data(),
                                 [&](auto lane, long i, long) { return lane.load(by + i); });
                else
                    channel_sums(end - begin, channels, tile, scratch.data(), total.data(),
                                 [&](auto lane, long i, long) { return lane.load(by + i) * lane.load(from + i); });
                double* to = parts[share].data() + j * channels;
                for (long c = 0; c < channels; ++c) to[c] += total[c];
            }
        }
    });
    for (int s = 1; s < threads; ++s)
        for (long i = 0; i < (1 + terms) * channels; ++i) parts[0][i] += parts[s][i];
    return parts[0];
}

// What the gradient of x[term] is made of per channel, a * gradient + b * x + d, and sums over the gradient times what
// the weight of every term multiplies.
template <class T>
void through_norms(long pixels, long channels, long terms, const T* const* x, const T* const* norms,
                   const double* weights, const T* gradient, double* weight_grads, T* coefficients, int threads) {
    const auto sums = products(pixels, channels, terms, x, gradient, threads);
    for (long j = 0; j < terms; ++j, coefficients += 3 * channels) {
        const Norm<T> norm{norms[j], nullptr, nullptr};
        weight_grads[j] = 0;
        for (long c = 0; c < channels; ++c) {
            const double mean = norm.mean(c), a = weights[j] * norm.inverse(c, channels);
            const double product = (sums[(1 + j) * channels + c] - mean * sums[c]) * norm.inverse(c, channels);
            const double b = norms[j] == nullptr ? 0 : -a * norm.inverse(c, channels) * product / pixels;
            weight_grads[j] += product;
            coefficients[c] = T(a);
            coefficients[channels + c] = T(b);
            coefficients[2 * channels + c] = norms[j] == nullptr ? T(0) : T(-a * sums[c] / pixels - b * mean);
        }
    }
}


// to (+)= a * gradient + b * x + d, per channel; x may be null, and with it b and d.
template <class T>
void affine(long pixels, long channels, const T* gradient, const T* x, const T* coefficients, bool accumulate, T* to,
            int threads) {
    const long tile = tile_of<T>(channels);
    const long block = tile * std::max(1L, 2048 / tile), length = pixels * channels;
    Buffer<T> a(tile), b(tile), d(tile);
    repeat(coefficients, channels, tile, a.data());
    repeat(coefficients + channels, channels, tile, b.data());
    repeat(coefficients + 2 * channels, channels, tile, d.data());
    shares((length + block - 1) / block, threads, [&](int, long first, long last) {
        const long begin = first * block, end = std::min(length, last * block);
        each<T>(end - begin, tile, [&](auto lane, long i, long at) {
            auto total = lane.load(&a[at]) * lane.load(gradient + begin + i);
            if (x != nullptr) total += lane.load(&b[at]) * lane.load(x + begin + i) + lane.load(&d[at]);
            lane.store(to + begin + i, accumulate ? lane.load(to + begin + i) + total : total);
        });
    });
}

}  // namespace
