// Predictions keep pictures in blocks of one vector of channels: a block is (height, width, vector), the numbers beyond
// the last channel are zero. So every loop over pixels is one over whole vectors, whatever the channels and the stride.
#pragma once

#include "../native/lanes.hpp"

namespace {

// A step of a program, as program.py lays it out: these numbers, then the places of blocks in the arena.
struct Step {
    long length, kind, inputs, outputs, height, width, out_height, out_width, kernel_height, kernel_width, stride,
        dilation, pad_y, pad_x, relu_in, relu_inner, relu_out, added, slot, values;

    const long* lists() const { return reinterpret_cast<const long*>(this) + sizeof(Step) / sizeof(long); }
    // Where blocks begin, and of inputs how many channels count.
    const long* in() const { return lists(); }
    const long* counts() const { return lists() + inputs; }
    const long* out() const { return lists() + 2 * inputs; }
    // What is added to the outputs; only where `added` is not 0.
    const long* add() const { return out() + outputs; }
    const long* groups() const { return add() + (added ? outputs : 0); }
    const Step* next() const { return reinterpret_cast<const Step*>(reinterpret_cast<const long*>(this) + length); }

    long taps() const { return kernel_height * kernel_width; }
    long in_pixels() const { return height * width; }
    long out_pixels() const { return out_height * out_width; }
};

template <class T>
using Vector = typename Simd<T>::vector;

// NaN stays NaN.
template <class V>
inline V rectified(V value) {
    return value < 0 ? V{} : value;
}

// What becomes of sums: block by block something may be added, then they are rectified or not, and stored.
template <class T>
struct Ending {
    T* arena;
    const long *out, *add;
    bool relu;
    explicit Ending(const Step& step, T* arena)
        : arena(arena), out(step.out()), add(step.added ? step.add() : nullptr), relu(step.relu_out) {}

    // N blocks of R pixels side by side.
    template <int R, int N>
    DADARTS_INLINE void operator()(long block, long pixel, Vector<T> (&sums)[R][N]) const {
        constexpr int width = Simd<T>::width;
        unrolled<N>([&](auto v) DADARTS_INLINE {
            if (add != nullptr) {
                const T* from = arena + add[block + v] + pixel * width;
                unrolled<R>([&](auto r) DADARTS_INLINE { sums[r][v] += load(from + r * width); });
            }
            if (relu) unrolled<R>([&](auto r) DADARTS_INLINE { sums[r][v] = rectified(sums[r][v]); });
            T* to = arena + out[block + v] + pixel * width;
            unrolled<R>([&](auto r) DADARTS_INLINE { store(to + r * width, sums[r][v]); });
        });
    }
    void operator()(long block, long pixel, Vector<T> value) const {
        Vector<T> sums[1][1] = {{value}};
        (*this)(block, pixel, sums);
    }
};

// A run of inputs of a pixel: where it begins behind the pixel's place, and how many numbers it has.
struct Run {
    long at, count;
};

// Output vectors block, ..., block + N - 1 of R pixels side by side: the bias and the products with a matrix whose rows
// are N vectors.
template <class T, int R, int N>
inline void product_tile(const T* pixels, const Run* runs, long n, const T* matrix, const T* bias, long block,
                         long pixel, const Ending<T>& end) {
    constexpr int width = Simd<T>::width;
    Vector<T> sums[R][N];
    unrolled<N>([&](auto v) DADARTS_INLINE {
        const auto first = load(bias + v * width);
        unrolled<R>([&](auto r) DADARTS_INLINE { sums[r][v] = first; });
    });
    for (const Run* run = runs; run != runs + n; ++run) {
        const T* in = pixels + run->at;
        for (long k = 0; k < run->count; ++k, ++in, matrix += N * width) {
            Vector<T> by[N];
            unrolled<N>([&](auto v) DADARTS_INLINE { by[v] = load(matrix + v * width); });
            unrolled<R>([&](auto r) DADARTS_INLINE {
                const T value = in[r * width];
                unrolled<N>([&](auto v) DADARTS_INLINE { sums[r][v] += value * by[v]; });
            });
        }
    }
    end(block, pixel, sums);
}

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool kHas32Registers = true;
#else
constexpr bool kHas32Registers = false;
#endif

// How many pixels are summed up at a time: as many as leave registers for the matrix.
template <int N>
constexpr int kPixels = kHas32Registers ? (N == 1 ? 16 : 12) : (N == 1 ? 12 : 6);

template <class T, int N>
void product_pixels(const T* pixels, long count, const Run* runs, long n, const T* matrix, const T* bias, long block,
                    long pixel, const Ending<T>& end) {
    constexpr int width = Simd<T>::width, most = kPixels<N>;
    long p = 0;
    for (; p + most <= count; p += most)
        product_tile<T, most, N>(pixels + p * width, runs, n, matrix, bias, block, pixel + p, end);
    if (most > 8 && p + 8 <= count) {
        product_tile<T, 8, N>(pixels + p * width, runs, n, matrix, bias, block, pixel + p, end);
        p += 8;
    }
    for (; p + 4 <= count; p += 4)
        product_tile<T, 4, N>(pixels + p * width, runs, n, matrix, bias, block, pixel + p, end);
    for (; p < count; ++p)
        product_tile<T, 1, N>(pixels + p * width, runs, n, matrix, bias, block, pixel + p, end);
}

// The matrix of a step, in groups of one or two output vectors; each has (vectors, runs) and then (tap, input) of every
// run. Calls body(vectors, runs, pairs, matrix, first block).
template <class T, class Body>
void each_group(const Step& step, const T* matrix, Body body) {
    const long* group = step.groups();
    const long* counts = step.counts();
    for (long block = 0; block < step.outputs;) {
        const long vectors = group[0], runs = group[1], *pairs = group + 2;
        body(vectors, runs, pairs, matrix, block);
        for (long r = 0; r < runs; ++r) matrix += counts[pairs[2 * r + 1]] * vectors * Simd<T>::width;
        block += vectors;
        group += 2 + 2 * runs;
    }
}

// `count` pixels side by side, from number `pixel` of the output on.
template <class T>
void product_group(long vectors, const T* pixels, long count, const Run* runs, long n, const T* matrix, const T* bias,
                   long block, long pixel, const Ending<T>& end) {
    (vectors == 1 ? product_pixels<T, 1> : product_pixels<T, 2>)(pixels, count, runs, n, matrix,
                                                                 bias + block * Simd<T>::width, block, pixel, end);
}

}  // namespace
