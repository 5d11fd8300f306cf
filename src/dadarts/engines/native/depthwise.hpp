// Depthwise convolutions, row by row.
#pragma once

#include "window.hpp"

namespace {

// relu(x * scale + shift), or relu(x), into the interior of a padded picture. NaN stays NaN.
template <class T>
void rectified(const T* x, const T* scale, const T* shift, const Plan<T>& plan, T* scratch, T* padded) {
    const long n = plan.width * plan.channels;
    for (long y = 0; y < plan.height; ++y) {
        const T* from = x + y * n;
        T* row = padded + plan.interior(y);
        T* to = plan.stride == 1 ? row + plan.pad() * plan.channels : scratch;
        each<T>(n, plan.tile, [&](auto lane, long i, long at) {
            auto value = lane.load(from + i);
            if (scale != nullptr) value = value * lane.load(scale + at) + lane.load(shift + at);
            lane.store(to + i, value <= 0 ? decltype(value){} : value);
        });
        if (plan.stride != 1) plan.enter(scratch, row);
    }
}

// A part of a row of a depthwise convolution: `rows` is the padded picture at the part's first tap.
template <class T, int K, int Tiles>
inline void convolved_tiles(const T* rows, const T* taps, const Plan<T>& plan, T* out) {
    constexpr long width = Simd<T>::width;
    const long tile = plan.tile;
    for (long i = 0; i < tile; i += width) {
        typename Simd<T>::vector total[Tiles] = {};
        const T* kernel = taps + i;
        for (int tap = 0; tap < K * K; ++tap, kernel += tile) {
            const T* from = rows + plan.taps[tap] + i;
            const auto by = load(kernel);
            for (int u = 0; u < Tiles; ++u) total[u] += load(from + u * tile) * by;
        }
        for (int u = 0; u < Tiles; ++u) store(out + i + u * tile, total[u]);
    }
}

// The same of neighbouring pixels with stride 1, each of whole vectors: every number is loaded once for a row of taps.
template <class T, int K, int Dilation, int Run>
inline void convolved_run(const T* rows, const T* taps, const Plan<T>& plan, T* out) {
    constexpr long width = Simd<T>::width;
    const long pixel = plan.channels;
    for (long i = 0; i < pixel; i += width) {
        typename Simd<T>::vector total[Run] = {};
        for (int dy = 0; dy < K; ++dy) {
            const T *from = rows + dy * Dilation * plan.row + i, *kernel = taps + dy * K * pixel + i;
            typename Simd<T>::vector by[K];
            unrolled<K>([&](auto dx) DADARTS_INLINE { by[dx] = load(kernel + dx * pixel); });
            unrolled<Run + (K - 1) * Dilation>([&](auto at) DADARTS_INLINE {
                auto value = load(from + at * pixel);
                DADARTS_KEEP(value);
                unrolled<K>([&](auto dx) DADARTS_INLINE {
                    constexpr int to = at - dx * Dilation;
                    if constexpr (to >= 0 && to < Run) total[to] += value * by[dx];
                });
            });
        }
        unrolled<Run>([&](auto to) DADARTS_INLINE { store(out + i + to * pixel, total[to]); });
    }
}

template <class T, int K, int Dilation>
long convolved_runs(const T* rows, const T* taps, const Plan<T>& plan, T* out) {
    constexpr int kPixels = 8;
    const long step = kPixels * plan.channels, length = plan.out_width() * plan.channels;
    long i = 0;
    for (; i + step <= length; i += step) convolved_run<T, K, Dilation, kPixels>(rows + i, taps, plan, out + i);
    return i;
}

// A row of a depthwise convolution, in whole tiles.
template <class T, int K>
void depthwise_row(const T* padded, long y, const T* taps, const Plan<T>& plan, T* out) {
    const T* rows = padded + y * plan.stride * plan.row;
    const long length = plan.out_width() * plan.channels;
    long i = 0;
    if (plan.runs())
        i = plan.dilation == 1 ? convolved_runs<T, K, 1>(rows, taps, plan, out)
                               : convolved_runs<T, K, 2>(rows, taps, plan, out);
    for (; i + 3 * plan.tile < length; i += 4 * plan.tile) convolved_tiles<T, K, 4>(rows + i, taps, plan, out + i);
    for (; i < length; i += plan.tile) convolved_tiles<T, K, 1>(rows + i, taps, plan, out + i);
}

// How many pixels' gradients are kept in registers beside the sums of a row of taps or three.
constexpr int kRun = kVectorBytes == 64 ? 8 : 4;

// taps_grad[tap] += sum over pixels of padded input at the tap times gradient, each a tile, for `Taps` rows of taps
// and `n` rows of pixels, which are taken as in `convolved_run`.
template <class T, int K, int Dilation, int Taps>
void weight_runs(const T* from, long n, const T* gradient, const Plan<T>& plan, T* taps_grad) {
    constexpr long width = Simd<T>::width;
    // Few sums would wait for each other.
    constexpr int kChains = Taps == 1 ? 2 : 1;
    const long pixel = plan.channels, row = plan.out_width() * pixel;
    for (long i = 0; i < pixel; i += width) {
        typename Simd<T>::vector sums[Taps][kChains][K] = {};
        for (long base = 0; base < n * row; base += kRun * pixel) {
            const T *pixels = gradient + base + i, *inputs = from + base / row * plan.row + base % row + i;
            typename Simd<T>::vector g[kRun];
            unrolled<kRun>([&](auto at) DADARTS_INLINE { g[at] = load(pixels + at * pixel); });
            unrolled<Taps>([&](auto dy) DADARTS_INLINE {
                unrolled<kRun + (K - 1) * Dilation>([&](auto at) DADARTS_INLINE {
                    auto value = load(inputs + dy * Dilation * plan.row + at * pixel);
                    DADARTS_KEEP(value);
                    unrolled<K>([&](auto dx) DADARTS_INLINE {
                        constexpr int to = at - dx * Dilation;
                        if constexpr (to >= 0 && to < kRun) sums[dy][to % kChains][dx] += value * g[to];
                    });
                });
            });
        }
        unrolled<Taps * K>([&](auto tap) DADARTS_INLINE {
            auto total = sums[tap / K][0][tap % K];
            if constexpr (kChains == 2) total += sums[tap / K][1][tap % K];
            T* to = taps_grad + tap * pixel + i;
            store(to, load(to) + total);
        });
    }
}

template <class T, int K, int Dilation>
void weight_runs_of_rows(const T* rows, long n, const T* gradient, const Plan<T>& plan, T* taps_grad) {
    constexpr int kTaps = K == 3 ? K : 1;
    for (int dy = 0; dy < K; dy += kTaps)
        weight_runs<T, K, Dilation, kTaps>(rows + dy * Dilation * plan.row, n, gradient, plan,
                                           taps_grad + dy * K * plan.tile);
}

// The same of a row whose pixels lie anyhow. The gradient's row ends in zeros, so that whole tiles may be taken.
template <class T, int K>
void weight_row(const T* rows, const T* gradient, const Plan<T>& plan, T* taps_grad) {
    constexpr long width = Simd<T>::width;
    const long tile = plan.tile, length = plan.out_width() * plan.channels;
    for (int dy = 0; dy < K; ++dy) {
        const long* offset = plan.taps.data() + dy * K;
        for (long i = 0; i < tile; i += width) {
            typename Simd<T>::vector even[K] = {}, odd[K] = {};
            const T* from = rows + i;
            long base = 0;
            for (; base + tile < length; base += 2 * tile) {
                const auto g = load(gradient + base + i), h = load(gradient + base + tile + i);
                for (int dx = 0; dx < K; ++dx) {
                    even[dx] += load(from + base + offset[dx]) * g;
                    odd[dx] += load(from + base + tile + offset[dx]) * h;
                }
            }
            if (base < length) {
                const auto g = load(gradient + base + i);
                for (int dx = 0; dx < K; ++dx) even[dx] += load(from + base + offset[dx]) * g;
            }
            for (int dx = 0; dx < K; ++dx) {
                T* sums = taps_grad + (dy * K + dx) * tile + i;
                store(sums, load(sums) + even[dx] + odd[dx]);
            }
        }
    }
}

// taps_grad[tap] += sum over the pixels of n rows of padded input at the tap times gradient; each a tile.
template <class T, int K>
void depthwise_weight_rows(const T* padded, long y, long n, const T* gradient, const Plan<T>& plan, T* taps_grad) {
    const T* rows = padded + y * plan.stride * plan.row;
    if (plan.runs() && plan.out_width() % kRun == 0)
        (plan.dilation == 1 ? weight_runs_of_rows<T, K, 1> : weight_runs_of_rows<T, K, 2>)(rows, n, gradient, plan,
                                                                                           taps_grad);
    else
        for (long i = 0; i < n; ++i)
            weight_row<T, K>(rows + i * plan.stride * plan.row, gradient + i * plan.out_width() * plan.channels, plan,
                             taps_grad);
}

// Scatters a gradient row of a strided convolution back onto the padded picture.
template <class T, int K>
void scattered_row(const T* gradient, long y, const T* taps, const Plan<T>& plan, T* padded) {
    T* rows = padded + y * plan.stride * plan.row;
    for (int tap = 0; tap < K * K; ++tap) {
        T* to = rows + plan.taps[tap];
        const T* by = taps + tap * plan.tile;
        each<T>(plan.out_width() * plan.channels, plan.tile, [&](auto lane, long i, long at) {
            lane.store(to + i, lane.load(to + i) + lane.load(gradient + i) * lane.load(by + at));
        });
    }
}

}  // namespace
