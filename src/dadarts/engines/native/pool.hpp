// Average and max pools of 3x3.
#pragma once

#include <cstdint>

#include "through.hpp"

namespace {

// The 3x3 windows of pools: which of a row or column lie in the picture.
struct Span {
    long first, last;
    Span(long at, long stride, long size)
        : first(std::max(0L, at * stride - 1)), last(std::min(size, at * stride + 2)) {}
    long count() const { return last - first; }
};

// out[x] = sum of a row over windows of three pixels with a stride.
template <class T>
void summed_row(const T* row, const Plan<T>& plan, T* out) {
    const long channels = plan.channels;
    if (plan.stride == 1) {
        const long n = plan.width * channels;
        for (long i = 0; i < n; ++i) out[i] = row[i] + row[i + channels] + row[i + 2 * channels];
        return;
    }
    for (long x = 0; x < plan.out_width(); ++x) {
        const T* from = row + x * plan.stride * channels;
        for (long c = 0; c < channels; ++c)
            out[x * channels + c] = from[c] + from[channels + c] + from[2 * channels + c];
    }
}

// 1 / (columns of a window that lie in the picture), for every number of an output row.
template <class T>
Buffer<T> column_shares(const Plan<T>& plan) {
    Buffer<T> shares_of(plan.out_width() * plan.channels);
    for (long x = 0; x < plan.out_width(); ++x)
        for (long c = 0; c < plan.channels; ++c)
            shares_of[x * plan.channels + c] = T(1) / T(Span(x, plan.stride, plan.width).count());
    return shares_of;
}

// Average pool 3x3, padding 1, of what lies in the picture; the norm of its output where `norm` is not null.
template <class T>
void average_forward(const Window& window, const T* x, const Norm<T>& before, double eps, T* y, T* norm, T* variance,
                     int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const auto columns = column_shares(plan);
    const Affine<T> affine(before, channels, plan.tile);
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, plan.tile));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> sum(in_row + 3 * channels);
        for (long b = first; b < last; ++b)
            for (long r = 0; r < plan.out_height(); ++r) {
                const Span rows(r, plan.stride, plan.height);
                T *inner = sum.data() + channels, *out = y + (b * plan.out_height() + r) * out_row;
                std::fill(inner, inner + in_row, T(0));
                for (long from = rows.first; from < rows.last; ++from) {
                    const T* in = x + (b * plan.height + from) * in_row;
                    for (long i = 0; i < in_row; ++i) inner[i] += in[i];
                }
                summed_row(sum.data(), plan, out);
                const T by = T(1) / T(rows.count());
                for (long i = 0; i < out_row; ++i) out[i] *= by * columns[i];
                // A mean of normalised numbers is the normalised mean.
                if (before.norm != nullptr)
                    each<T>(out_row, plan.tile,
                            [&](auto lane, long i, long at) { lane.store(out + i, affine(lane, out + i, at)); });
                if (norm != nullptr) moments[share].add(out, plan.out_width());
            }
    });
    if (norm != nullptr) finish(moments, eps, norm, variance);
}

template <class T>
void average_backward(const Window& window, const Source<T>& source, bool accumulate, T* x_grad, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const auto columns = column_shares(plan);
    shares(plan.pictures, threads, [&](int, long first, long last) {
        Buffer<T> shared(out_row + 2 * channels), spread(in_row + 3 * channels), raw(out_row);
        Linear<T> through(source, channels, plan.tile);
        for (long b = first; b < last; ++b) {
            T* picture = x_grad + b * plan.height * in_row;
            if (!accumulate) std::memset(picture, 0, plan.height * in_row * sizeof(T));
            through.enter(b);
            for (long r = 0; r < plan.out_height(); ++r) {
                const Span rows(r, plan.stride, plan.height);
                const T* g = through.row(source, (b * plan.out_height() + r) * out_row, out_row, plan.tile, raw.data());
                const T by = T(1) / T(rows.count());
                T* inner = shared.data() + channels;
                for (long i = 0; i < out_row; ++i) inner[i] = g[i] * by * columns[i];
                const T* row = spread.data() + channels;
                if (plan.stride == 1) {
                    summed_row(shared.data(), plan, spread.data() + channels);
                } else {
                    std::fill(spread.begin(), spread.end(), T(0));
                    for (long p = 0; p < plan.out_width(); ++p)
                        for (long i = 0; i < 3; ++i)
                            for (long c = 0; c < channels; ++c)
                                spread[(p * plan.stride + i) * channels + c] += inner[p * channels + c];
                }
                for (long to = rows.first; to < rows.last; ++to)
                    for (long i = 0; i < in_row; ++i) picture[to * in_row + i] += row[i];
            }
        }
    });
}

// Max pool 3x3, padding 1. `winners` holds the tap of each maximum, 0 to 8: the first of equals, as in torch.
template <class T>
void maximum_forward(const Window& window, const T* x, const Norm<T>& before, double eps, T* y, uint8_t* winners,
                     T* norm, T* variance, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const long row = in_row + 3 * channels;
    const Affine<T> affine(before, channels, plan.tile);
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, plan.tile));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded((plan.height + 3) * row, -INFINITY), best(out_row), winner(out_row);
        for (long b = first; b < last; ++b) {
            for (long r = 0; r < plan.height; ++r) {
                const T* from = x + (b * plan.height + r) * in_row;
                T* to = padded.data() + (r + 1) * row + channels;
                each<T>(in_row, plan.tile,
                        [&](auto lane, long i, long at) { lane.store(to + i, affine(lane, from + i, at)); });
            }
            for (long r = 0; r < plan.out_height(); ++r) {
                std::fill(best.begin(), best.end(), -INFINITY);
                // Where nothing is above -inf the centre, which is in the picture, stands for the window.
                std::fill(winner.begin(), winner.end(), T(4));
                for (long tap = 0; tap < 9; ++tap) {
                    const T* in = padded.data() + (r * plan.stride + tap / 3) * row + tap % 3 * channels;
                    // The first of equals wins and NaN beats every number, as in torch.
                    const auto contest = [&](auto lane, long i, const T* from) {
                        const auto value = lane.load(from), leader = lane.load(&best[i]);
                        const auto wins = (value > leader) | (value != value);
                        lane.store(&winner[i], wins ? decltype(value + value){} + T(tap) : lane.load(&winner[i]));
                        lane.store(&best[i], wins ? value : leader);
                    };
                    if (plan.stride == 1)
                        each<T>(out_row, plan.tile, [&](auto lane, long i, long) { contest(lane, i, in + i); });
                    else
                        for (long p = 0; p < plan.out_width(); ++p)
                            each<T>(channels, plan.tile, [&](auto lane, long c, long) {
                                contest(lane, p * channels + c, in + p * plan.stride * channels + c);
                            });
                }
                T* out = y + (b * plan.out_height() + r) * out_row;
                uint8_t* where = winners + (b * plan.out_height() + r) * out_row;
                std::memcpy(out, best.data(), out_row * sizeof(T));
                for (long i = 0; i < out_row; ++i) where[i] = uint8_t(int(winner[i]));
                if (norm != nullptr) moments[share].add(out, plan.out_width());
            }
        }
    });
    if (norm != nullptr) finish(moments, eps, norm, variance);
}

template <class T>
void maximum_backward(const Window& window, const Source<T>& source, const uint8_t* winners, bool accumulate,
                      T* x_grad, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const long row = in_row + 3 * channels;
    shares(plan.pictures, threads, [&](int, long first, long last) {
        Buffer<T> padded((plan.height + 3) * row), winner(out_row), raw(out_row);
        Linear<T> through(source, channels, plan.tile);
        for (long b = first; b < last; ++b) {
            through.enter(b);
            std::fill(padded.begin(), padded.end(), T(0));
            for (long r = 0; r < plan.out_height(); ++r) {
                const T* g = through.row(source, (b * plan.out_height() + r) * out_row, out_row, plan.tile, raw.data());
                const uint8_t* where = winners + (b * plan.out_height() + r) * out_row;
                for (long i = 0; i < out_row; ++i) winner[i] = T(where[i]);
                for (long tap = 0; tap < 9; ++tap) {
                    T* to = padded.data() + (r * plan.stride + tap / 3) * row + tap % 3 * channels;
                    const auto award = [&](auto lane, T* pixel, long i) {
                        const auto value = lane.load(g + i);
                        lane.store(pixel, lane.load(pixel) +
                                              (lane.load(&winner[i]) == T(tap) ? value : decltype(value + value){}));
                    };
                    if (plan.stride == 1)
                        each<T>(out_row, plan.tile, [&](auto lane, long i, long) { award(lane, to + i, i); });
                    else
                        for (long p = 0; p < plan.out_width(); ++p)
                            each<T>(channels, plan.tile, [&](auto lane, long c, long) {
                                award(lane, to + p * plan.stride * channels + c, p * channels + c);
                            });
                }
            }
            for (long r = 0; r < plan.height; ++r) {
                const T* from = padded.data() + (r + 1) * row + channels;
                T* to = x_grad + (b * plan.height + r) * in_row;
                each<T>(in_row, plan.tile, [&](auto lane, long i, long) {
                    const auto value = lane.load(from + i);
                    lane.store(to + i, accumulate ? lane.load(to + i) + value : value);
                });
            }
        }
    });
}

}  // namespace
