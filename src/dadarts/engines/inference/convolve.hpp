// Convolutions of pictures in blocks: dense ones, and depthwise ones with the pointwise one behind them.
#pragma once

#include <vector>

#include "blocks.hpp"

namespace {

// A band of output rows, computed at a time, and the padded input rows that it reads. With stride 2 a row holds its even
// pixels, then its odd ones, so that what a tap reads of neighbours lies side by side.
template <class T>
struct Band {
    const Step& step;
    long rows, plane, row, block;
    static constexpr long kBytes = 24 * 1024;

    Band(const Step& step, long kept) : step(step) {
        constexpr long width = Simd<T>::width;
        const long bytes = kept * step.out_width * width * long(sizeof(T));
        rows = std::clamp(kBytes / std::max(1L, bytes), 1L, step.out_height);
        const long read = (step.out_width - 1) * step.stride + (step.kernel_width - 1) * step.dilation + 1;
        plane = (std::max(read, step.pad_x + step.width) + step.stride - 1) / step.stride * width;
        row = step.stride * plane;
        block = in_rows(rows) * row;
    }
    long in_rows(long out_rows) const {
        return (out_rows - 1) * step.stride + (step.kernel_height - 1) * step.dilation + 1;
    }
    long column(long x) const { return x % step.stride * plane + x / step.stride * Simd<T>::width; }
    long tap(long at) const {
        return at / step.kernel_width * step.dilation * row + column(at % step.kernel_width * step.dilation);
    }

    // The rows that output rows y, ..., y + n - 1 read of a block, rectified where the step says so.
    void fill(const T* picture, long y, long n, T* to) const {
        constexpr long width = Simd<T>::width;
        const long first = y * step.stride - step.pad_y;
        for (long i = 0; i < in_rows(n); ++i, to += row) {
            if (first + i < 0 || first + i >= step.height) {
                std::fill(to, to + row, T(0));
                continue;
            }
            const T* from = picture + (first + i) * step.width * width;
            if (step.stride == 1) {
                T* inside = to + step.pad_x * width;
                std::fill(to, inside, T(0));
                copied(from, step.width * width, inside);
                std::fill(inside + step.width * width, to + row, T(0));
            } else {
                std::fill(to, to + row, T(0));
                for (long x = 0; x < step.width; ++x) copied(from + x * width, width, to + column(x + step.pad_x));
            }
        }
    }

   private:
    void copied(const T* from, long n, T* to) const {
        if (step.relu_in)
            for (long i = 0; i < n; i += Simd<T>::width) store(to + i, rectified(load(from + i)));
        else
            for (long i = 0; i < n; i += Simd<T>::width) store(to + i, load(from + i));
    }
};

// Whether every output pixel is made of the input pixel at its place.
inline bool is_pointwise(const Step& step) { return step.taps() == 1 && step.stride == 1 && !step.pad_y && !step.pad_x; }

// Values: a bias, then the matrix.
template <class T>
void dense(const Step& step, const T* values, T* arena, T* scratch) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    const T* matrix = values + step.outputs * width;
    std::vector<Run> runs;
    const auto products = [&](const T* base, long block, const Band<T>& band, long y, long rows) {
        each_group<T>(step, matrix, [&](long vectors, long n, const long* pairs, const T* part, long first) {
            runs.resize(n);
            for (long r = 0; r < n; ++r)
                runs[r] = {pairs[2 * r + 1] * block + band.tap(pairs[2 * r]), step.counts()[pairs[2 * r + 1]]};
            for (long i = 0; i < rows; ++i)
                product_group(vectors, base + i * step.stride * band.row, step.out_width, runs.data(), n, part, values,
                              first, (y + i) * step.out_width, end);
        });
    };
    const Band<T> band(step, step.inputs);
    for (long y = 0; y < step.out_height; y += band.rows) {
        const long rows = std::min(band.rows, step.out_height - y);
        for (long i = 0; i < step.inputs; ++i) band.fill(arena + step.in()[i], y, rows, scratch + i * band.block);
        products(scratch, band.block, band, y, rows);
    }
}

// How many pixels are rectified at a time for a pointwise convolution.
constexpr long kPart = 192;

// A dense convolution of single pixels: all of them lie side by side.
template <class T>
void pointwise(const Step& step, const T* values, T* arena, T* scratch) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    const T* matrix = values + step.outputs * width;
    std::vector<Run> runs;
    const long pixels = step.out_pixels(), part = step.relu_in ? std::min(pixels, kPart) : pixels;
    for (long p = 0; p < pixels; p += part) {
        const long count = std::min(part, pixels - p);
        if (step.relu_in)
            for (long i = 0; i < step.inputs; ++i) {
                const T* from = arena + step.in()[i] + p * width;
                T* to = scratch + i * part * width;
                for (long at = 0; at < count * width; at += width) store(to + at, rectified(load(from + at)));
            }
        each_group<T>(step, matrix, [&](long vectors, long n, const long* pairs, const T* rows, long first) {
            runs.resize(n);
            for (long r = 0; r < n; ++r) {
                const long input = pairs[2 * r + 1];
                runs[r] = {step.relu_in ? input * part * width : step.in()[input], step.counts()[input]};
            }
            product_group(vectors, step.relu_in ? scratch : arena + p * width, count, runs.data(), n, rows, values,
                          first, p, end);
        });
    }
}

// R pixels side by side of a depthwise convolution.
template <class T, int R>
inline void depthwise_run(const T* in, const long* places, long taps, const T* kernel, Vector<T> bias, bool relu,
                          T* out) {
    constexpr int width = Simd<T>::width;
    Vector<T> sums[R];
    unrolled<R>([&](auto r) DADARTS_INLINE { sums[r] = bias; });
    for (long tap = 0; tap < taps; ++tap, kernel += width) {
        const auto by = load(kernel);
        const T* from = in + places[tap];
        unrolled<R>([&](auto r) DADARTS_INLINE { sums[r] += load(from + r * width) * by; });
    }
    unrolled<R>([&](auto r) DADARTS_INLINE { store(out + r * width, relu ? rectified(sums[r]) : sums[r]); });
}

template <class T>
void depthwise_pixels(const T* in, long count, const long* places, long taps, const T* kernel, Vector<T> bias,
                      bool relu, T* out) {
    constexpr int width = Simd<T>::width, most = kPixels<1>;
    long p = 0;
    for (; p + most <= count; p += most)
        depthwise_run<T, most>(in + p * width, places, taps, kernel, bias, relu, out + p * width);
    if (p + 8 <= count) {
        depthwise_run<T, 8>(in + p * width, places, taps, kernel, bias, relu, out + p * width);
        p += 8;
    }
    for (; p + 4 <= count; p += 4)
        depthwise_run<T, 4>(in + p * width, places, taps, kernel, bias, relu, out + p * width);
    for (; p < count; ++p)
        depthwise_run<T, 1>(in + p * width, places, taps, kernel, bias, relu, out + p * width);
}

// Values: the taps of every input block, its inner bias, the outer bias, then the matrix.
template <class T>
void separable(const Step& step, const T* values, T* arena, T* scratch) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    const Band<T> band(step, step.inputs);
    const long taps = step.taps();
    const T *inner = values + step.inputs * taps * width, *outer = inner + step.inputs * width;
    const T* matrix = outer + step.outputs * width;
    std::vector<long> places(taps);
    for (long tap = 0; tap < taps; ++tap) places[tap] = band.tap(tap);
    std::vector<Run> runs;
    const long part = band.rows * step.out_width * width;
    T* middle = scratch + band.block;
    for (long y = 0; y < step.out_height; y += band.rows) {
        const long rows = std::min(band.rows, step.out_height - y);
        for (long i = 0; i < step.inputs; ++i) {
            band.fill(arena + step.in()[i], y, rows, scratch);
            const auto bias = load(inner + i * width);
            for (long r = 0; r < rows; ++r)
                depthwise_pixels(scratch + r * step.stride * band.row, step.out_width, places.data(), taps,
                                 values + i * taps * width, bias, step.relu_inner,
                                 middle + i * part + r * step.out_width * width);
        }
        each_group<T>(step, matrix, [&](long vectors, long n, const long* pairs, const T* rows_of, long first) {
            runs.resize(n);
            for (long r = 0; r < n; ++r) runs[r] = {pairs[2 * r + 1] * part, step.counts()[pairs[2 * r + 1]]};
            product_group(vectors, middle, rows * step.out_width, runs.data(), n, rows_of, outer, first,
                          y * step.out_width, end);
        });
    }
}

template <class T>
long dense_scratch(const Step& step) {
    return Band<T>(step, step.inputs).block * step.inputs;
}

template <class T>
long pointwise_scratch(const Step& step) {
    return step.inputs * std::min(step.in_pixels(), kPart) * Simd<T>::width;
}

template <class T>
long separable_scratch(const Step& step) {
    const Band<T> band(step, step.inputs);
    return band.block + step.inputs * band.rows * step.out_width * Simd<T>::width;
}

}  // namespace
