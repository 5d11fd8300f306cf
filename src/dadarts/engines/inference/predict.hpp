// Predictions: a network's program, which is carried out picture by picture, so that what one step leaves is in the cache
// when the next one reads it. A picture's numbers depend neither on the others of its batch nor on the threads.
#pragma once

#include <cmath>

#include "convolve.hpp"

namespace {

enum Kind { kDense, kPointwise, kSeparable, kAverage, kMaximum, kScale, kFill, kMean, kEnter, kLeave };

// A batch outside of the program: its first number, and how far apart pictures, channels, rows and columns lie.
struct Outside {
    void* at;
    long picture, channel, row, column;
};

// Which of a window's rows or columns lie in the picture.
struct Inside {
    long first, last;
    Inside(long at, long stride, long pad, long kernel, long size)
        : first(std::max(0L, at * stride - pad)), last(std::min(size, at * stride - pad + kernel)) {}
    long count() const { return std::max(0L, last - first); }
};

// NaN beats every number.
template <class V>
inline V larger(V leader, V value) {
    return (value > leader) | (value != value) ? value : leader;
}

// Values: scale and shift of every block. A window's columns are merged first: rows of columns, then their maximum.
template <class T, bool Maximum>
void pool(const Step& step, const T* values, T* arena, T* scratch) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    const auto merged = [](Vector<T> total, Vector<T> value) {
        return Maximum ? larger(total, value) : total + value;
    };
    const auto none = Vector<T>{} + (Maximum ? T(-INFINITY) : T(0));
    for (long block = 0; block < step.outputs; ++block) {
        const T* picture = arena + step.in()[block];
        const auto scale = load(values + block * width), shift = load(values + (step.outputs + block) * width);
        for (long y = 0; y < step.out_height; ++y) {
            const Inside rows(y, step.stride, step.pad_y, step.kernel_height, step.height);
            for (long i = 0; i < step.width * width; i += width) {
                auto total = none;
                for (long r = rows.first; r < rows.last; ++r)
                    total = merged(total, load(picture + r * step.width * width + i));
                store(scratch + i, total);
            }
            for (long x = 0; x < step.out_width; ++x) {
                const Inside columns(x, step.stride, step.pad_x, step.kernel_width, step.width);
                auto total = none;
                for (long c = columns.first; c < columns.last; ++c) total = merged(total, load(scratch + c * width));
                if (!Maximum) total = total / T(rows.count() * columns.count());
                end(block, y * step.out_width + x, total * scale + shift);
            }
        }
    }
}

template <class T>
void scaled(const Step& step, const T* values, T* arena) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    for (long block = 0; block < step.outputs; ++block) {
        const auto scale = load(values + block * width), shift = load(values + (step.outputs + block) * width);
        for (long p = 0; p < step.out_pixels(); ++p)
            end(block, p, load(arena + step.in()[block] + p * width) * scale + shift);
    }
}

template <class T>
void filled(const Step& step, T* arena) {
    const Ending<T> end(step, arena);
    for (long block = 0; block < step.outputs; ++block)
        for (long p = 0; p < step.out_pixels(); ++p) end(block, p, Vector<T>{});
}

// The mean over all pixels of every block.
template <class T>
void averaged(const Step& step, T* arena) {
    constexpr long width = Simd<T>::width;
    const Ending<T> end(step, arena);
    const long pixels = step.in_pixels();
    for (long block = 0; block < step.outputs; ++block) {
        const T* from = arena + step.in()[block];
        Vector<T> sums[4] = {};
        long p = 0;
        for (; p + 4 <= pixels; p += 4)
            for (int i = 0; i < 4; ++i) sums[i] += load(from + (p + i) * width);
        for (; p < pixels; ++p) sums[0] += load(from + p * width);
        end(block, 0, ((sums[0] + sums[1]) + (sums[2] + sums[3])) / T(pixels));
    }
}

template <class T>
void entered(const Step& step, const Outside& outside, long picture, T* arena) {
    constexpr long width = Simd<T>::width;
    const T* from = static_cast<const T*>(outside.at) + picture * outside.picture;
    const long* counts = step.counts();
    for (long block = 0; block < step.outputs; ++block) {
        T* to = arena + step.out()[block];
        std::fill(to, to + step.out_pixels() * width, T(0));
        for (long c = 0; c < counts[block]; ++c, from += outside.channel)
            for (long y = 0; y < step.height; ++y)
                for (long x = 0; x < step.width; ++x)
                    to[(y * step.width + x) * width + c] = from[y * outside.row + x * outside.column];
    }
}

template <class T>
void left(const Step& step, const Outside& outside, long picture, const T* arena) {
    constexpr long width = Simd<T>::width;
    T* to = static_cast<T*>(outside.at) + picture * outside.picture;
    const long* counts = step.counts();
    for (long block = 0; block < step.inputs; ++block) {
        const T* from = arena + step.in()[block];
        for (long c = 0; c < counts[block]; ++c, to += outside.channel)
            for (long y = 0; y < step.height; ++y)
                for (long x = 0; x < step.width; ++x)
                    to[y * outside.row + x * outside.column] = from[(y * step.width + x) * width + c];
    }
}

template <class T>
void carry_out(const Step& step, const T* constants, const Outside* outsides, long picture, T* arena, T* scratch) {
    const T* values = constants + step.values;
    switch (step.kind) {
        case kDense: return dense(step, values, arena, scratch);
        case kPointwise: return pointwise(step, values, arena, scratch);
        case kSeparable: return separable(step, values, arena, scratch);
        case kAverage: return pool<T, false>(step, values, arena, scratch);
        case kMaximum: return pool<T, true>(step, values, arena, scratch);
        case kScale: return scaled(step, values, arena);
        case kFill: return filled(step, arena);
        case kMean: return averaged(step, arena);
        case kEnter: return entered(step, outsides[step.slot], picture, arena);
        case kLeave: return left(step, outsides[step.slot], picture, arena);
    }
}

// How many numbers a program's steps need beside the arena.
template <class T>
long scratch_of(const Step* step, long steps) {
    long most = 0;
    for (; steps > 0; --steps, step = step->next()) {
        if (step->kind == kDense) most = std::max(most, dense_scratch<T>(*step));
        if (step->kind == kPointwise) most = std::max(most, pointwise_scratch<T>(*step));
        if (step->kind == kSeparable) most = std::max(most, separable_scratch<T>(*step));
        if (step->kind == kAverage || step->kind == kMaximum) most = std::max(most, step->width * Simd<T>::width);
    }
    return round_up(most, 64);
}

// Every thread has an arena of `size` numbers, the scratch at its end.
template <class T>
void predict(const Step* program, long steps, const T* constants, const Outside* outsides, long pictures, T* arenas,
             long size, int threads) {
    const long scratch = size - scratch_of<T>(program, steps);
    shares(pictures, threads, [&](int share, long first, long last) {
        T* arena = arenas + share * size;
        for (long picture = first; picture < last; ++picture) {
            const Step* step = program;
            for (long i = 0; i < steps; ++i, step = step->next())
                carry_out(*step, constants, outsides, picture, arena, arena + scratch);
        }
    });
}

}  // namespace

