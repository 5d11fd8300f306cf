// A unit: norm of the input, ReLU, depthwise and pointwise convolution, and the norm of the output.
#pragma once

#include "depthwise.hpp"
#include "norm.hpp"
#include "pointwise.hpp"
#include "through.hpp"

namespace {

// weight (out, in) as a block diagonal matrix: (in, out) for the forward product, (out, in) for the backward one.
template <class T>
Buffer<T> packed_matrix(const T* weight, const Plan<T>& plan, bool transposed) {
    const long channels = plan.channels;
    Buffer<T> matrix(plan.packed() * plan.columns);
    for (long block = 0; block < plan.packed(); block += channels)
        for (long a = 0; a < channels; ++a) {
            const T* from = transposed ? weight + a : weight + a * channels;
            T* to = matrix.data() + (block + a) * plan.columns + block;
            for (long b = 0; b < channels; ++b) to[b] = from[transposed ? b * channels : b];
        }
    return matrix;
}

template <class T, int K>
void unit_forward(const Window& window, const T* x, const Norm<T>& norm, const T* depthwise, const T* pointwise,
                  double eps, T* y, T* out_norm, T* variance, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels;
    const auto taps = tiled_taps(depthwise, plan, false);
    const auto matrix = packed_matrix(pointwise, plan, true);
    const Affine<T> affine(norm, channels, plan.tile);
    const long in_size = plan.height * plan.width * channels, out_row = plan.out_width() * channels;
    const long out_size = plan.out_height() * out_row;
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, plan.tile));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded(plan.padded), row(plan.out_row), result(plan.out_row), scratch(plan.width * channels);
        for (long b = first; b < last; ++b) {
            rectified(x + b * in_size, affine.scales(), affine.shifts(), plan, scratch.data(), padded.data());
            for (long r = 0; r < plan.out_height(); r += plan.band) {
                const long rows = std::min(plan.band, plan.out_height() - r);
                T *out = y + b * out_size + r * out_row, *to = plan.whole() ? out : result.data();
                for (long i = 0; i < rows; ++i)
                    depthwise_row<T, K>(padded.data(), r + i, taps.data(), plan, row.data() + i * out_row);
                product(row.data(), rows * plan.packs(), plan.packed(), matrix.data(), plan.columns, plan.packed(), to,
                        plan.packed());
                moments[share].add(to, rows * plan.out_width());
                if (!plan.whole()) std::memcpy(out, to, out_row * sizeof(T));
            }
        }
    });
    finish(moments, eps, out_norm, variance);
}

// Totals over threads, in their order, of tiles of every tap: (C, K, K).
template <class T>
void depthwise_sums(const Plan<T>& plan, const std::vector<Buffer<T>>& parts, T* total_of) {
    const long taps = plan.kernel * plan.kernel;
    for (long tap = 0; tap < taps; ++tap)
        for (long c = 0; c < plan.channels; ++c) {
            double total = 0;
            for (const auto& part : parts)
                for (long i = c; i < plan.tile; i += plan.channels) total += part[tap * plan.tile + i];
            total_of[c * taps + tap] = T(total);
        }
}

// The same of block diagonal matrices (in, out): (out, in).
template <class T>
void pointwise_sums(const Plan<T>& plan, const std::vector<Buffer<T>>& parts, T* total_of) {
    const long channels = plan.channels;
    std::vector<double> total(channels);
    for (long in = 0; in < channels; ++in) {
        std::fill(total.begin(), total.end(), 0.0);
        for (const auto& part : parts)
            for (long block = 0; block < plan.packed(); block += channels) {
                const T* row = part.data() + (block + in) * plan.columns + block;
                for (long out = 0; out < channels; ++out) total[out] += row[out];
            }
        for (long out = 0; out < channels; ++out) total_of[out * channels + in] = T(total[out]);
    }
}

// The gradient of a batch norm's input is a linear map of (gradient, input) per channel. `sums` holds per thread the
// sums of the gradient and of its products: with the norm's input where it has weights, else with its output.
template <class T>
void input_coefficients(const Plan<T>& plan, const std::vector<Buffer<double>>& sums, const Norm<T>& norm,
                        T* coefficients, const NormGrads<T>& grads) {
    const long channels = plan.channels;
    const double count = double(plan.pictures) * plan.height * plan.width;
    std::vector<double> total(2 * channels);
    for (const auto& part : sums)
        for (long i = 0; i < 2 * channels; ++i) total[i] += part[i];
    if (norm.weight != nullptr) return norm_coefficients(norm, count, channels, total.data(), coefficients, grads);
    for (long c = 0; c < channels; ++c) {
        const double mean = norm.mean(c), inverse = norm.inverse(c, channels);
        const double slope = -inverse * inverse * total[channels + c] / count;
        coefficients[c] = T(inverse);
        coefficients[channels + c] = T(slope);
        coefficients[2 * channels + c] = T(-inverse * total[c] / count - slope * mean);
    }
}

template <class T, int K>
void unit_backward(const Window& window, const T* x, const Norm<T>& norm, const T* depthwise, const T* pointwise,
                   const Source<T>& source, bool accumulate, T* x_grad, T* depthwise_grad, T* pointwise_grad,
                   T* x_coefficients, const NormGrads<T>& grads, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, packed = plan.packed(), columns = plan.columns, taps_n = K * K;
    const auto taps = tiled_taps(depthwise, plan, false);
    const auto rotated = tiled_taps(depthwise, plan, true);
    const auto matrix = packed_matrix(pointwise, plan, false);
    const Affine<T> affine(norm, channels, plan.tile);
    const Linear<T> linear(source, channels, plan.tile);
    const long in_row = plan.width * channels, in_size = plan.height * in_row;
    const long out_row = plan.out_width() * channels, out_size = plan.out_height() * out_row;
    const bool weights = depthwise_grad != nullptr;
    std::vector<Buffer<T>> taps_grad(threads), matrix_grad(threads);
    std::vector<Buffer<double>> sums(threads, Buffer<double>(2 * channels));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded(plan.padded), spread(plan.padded), row(plan.out_row), out_grad(plan.out_row);
        Buffer<T> inner(plan.out_row), in_grad(plan.out_row + in_row), activations(in_row);
        Buffer<T> row_sums(2 * channels), scratch(std::max(plan.tile, in_row));
        taps_grad[share].assign(taps_n * plan.tile, 0);
        matrix_grad[share].assign(packed * columns, 0);
        Linear<T> through = linear;
        for (long picture = first; picture < last; ++picture) {
            through.enter(picture);
            rectified(x + picture * in_size, affine.scales(), affine.shifts(), plan, scratch.data(), padded.data());
            if (plan.stride != 1) std::fill(spread.begin(), spread.end(), T(0));
            for (long r = 0; r < plan.out_height(); r += plan.band) {
                const long rows = std::min(plan.band, plan.out_height() - r), packs = rows * plan.packs();
                const T* g = source.gradient + picture * out_size + r * out_row;
                const T* value = source.value + picture * out_size + r * out_row;
                each<T>(rows * out_row, plan.tile,
                        [&](auto lane, long i, long at) { lane.store(&out_grad[i], through(lane, g + i, value + i, at)); });
                product(out_grad.data(), packs, packed, matrix.data(), columns, packed, inner.data(), packed);
                if (weights) {
                    for (long i = 0; i < rows; ++i)
                        depthwise_row<T, K>(padded.data(), r + i, taps.data(), plan, row.data() + i * out_row);
                    outer(row.data(), packs, packed, out_grad.data(), packed, columns, matrix_grad[share].data());
                    depthwise_weight_rows<T, K>(padded.data(), r, rows, inner.data(), plan, taps_grad[share].data());
                }
                for (long i = 0; i < rows; ++i)
                    if (plan.stride == 1)
                        plan.enter(inner.data() + i * out_row, spread.data() + plan.interior(r + i));
                    else
                        scattered_row<T, K>(inner.data() + i * out_row, r + i, taps.data(), plan, spread.data());
            }
            for (long r = 0; r < plan.height; ++r) {
                if (plan.stride == 1)
                    depthwise_row<T, K>(spread.data(), r, rotated.data(), plan, in_grad.data());
                else
                    plan.leave(spread.data() + plan.interior(r), in_grad.data());
                const T *from = in_grad.data(), *active = padded.data() + plan.interior(r) + plan.pad() * channels;
                if (plan.stride != 1) {
                    plan.leave(padded.data() + plan.interior(r), activations.data());
                    active = activations.data();
                }
                T* to = x_grad + picture * in_size + r * in_row;
                each<T>(in_row, plan.tile, [&](auto lane, long i, long) {
                    const auto value = lane.load(from + i);
                    const auto passed = lane.load(active + i) > 0 ? value : decltype(value + value){};
                    lane.store(to + i, accumulate ? lane.load(to + i) + passed : passed);
                });
                if (x_coefficients == nullptr) continue;
                const T* by = norm.weight == nullptr ? active : x + picture * in_size + r * in_row;
                std::fill(row_sums.begin(), row_sums.end(), T(0));
                channel_sums(in_row, channels, plan.tile, scratch.data(), row_sums.data(),
                             [&](auto lane, long i, long) { return lane.load(to + i); });
                channel_sums(in_row, channels, plan.tile, scratch.data(), row_sums.data() + channels,
                             [&](auto lane, long i, long) { return lane.load(to + i) * lane.load(by + i); });
                for (long i = 0; i < 2 * channels; ++i) sums[share][i] += row_sums[i];
            }
        }
    });
    if (weights) {
        depthwise_sums(plan, taps_grad, depthwise_grad);
        pointwise_sums(plan, matrix_grad, pointwise_grad);
    }
    if (x_coefficients != nullptr) input_coefficients(plan, sums, norm, x_coefficients, grads);
}

}  // namespace
