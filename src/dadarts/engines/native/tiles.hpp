// Pictures in tiles of 2x2 pixels, and the transforms of F(2x2, 3x3), whose matrices `winograd.hpp` explains.
#pragma once

#include "dense.hpp"

namespace {

constexpr int kEdge = 4, kPlaces = kEdge * kEdge;

// A picture in tiles of 2x2 pixels, with zeros around it; pixels are filled up with zeros to whole vectors.
template <class T>
struct Tiling {
    long height, width, channels, pixel, down, across, row, band, plane;
    Tiling(const Dense& dense, long channels)
        : height(dense.height), width(dense.width), channels(channels), pixel(round_up(channels, Simd<T>::width)),
          down((height + 1) / 2), across((width + 1) / 2), row((2 * across + 2) * pixel),
          // So many rows of tiles at a time that what a matrix is loaded for is some 32 tiles.
          band(std::clamp(32 / across, 1L, down)),
          // A vector between the places: a power of two apart they would drive each other out of a cache.
          plane(band * across * pixel + Simd<T>::width) {}
    long size() const { return (2 * down + 2) * row; }
    long inside(long y) const { return (y + 1) * row + pixel; }
    // Where a row is to be written so that `settle` finds it.
    T* place(long y, T* framed, T* scratch) const { return pixel == channels ? framed + inside(y) : scratch; }
    void settle(long y, T* framed, const T* scratch) const {
        if (pixel == channels) return;
        for (long x = 0; x < width; ++x)
            std::memcpy(framed + inside(y) + x * pixel, scratch + x * channels, channels * sizeof(T));
    }
};

// B' d, A' m and A y of one row or column.
template <class V>
DADARTS_INLINE inline void input_of(const V& a, const V& b, const V& c, const V& d, V (&to)[kEdge]) {
    to[0] = a - c, to[1] = b + c, to[2] = c - b, to[3] = b - d;
}
template <class V>
DADARTS_INLINE inline void output_of(const V& a, const V& b, const V& c, const V& d, V (&to)[2]) {
    to[0] = a + b + c, to[1] = b - c - d;
}
template <class V>
DADARTS_INLINE inline void gradient_of(const V& a, const V& b, V (&to)[kEdge]) {
    to[0] = a, to[1] = a + b, to[2] = a - b, to[3] = -b;
}

// B' d B of a row of tiles; a column of pixels that two tiles share is taken once. `framed` is the row's first pixel.
template <class T>
void input_tiles(const T* framed, const Tiling<T>& of, T* to) {
    using Vector = typename Simd<T>::vector;
    for (long c = 0; c < of.pixel; c += Simd<T>::width) {
        Vector columns[kEdge][kEdge];
        const auto enter = [&](auto at, const T* from) DADARTS_INLINE {
            input_of<Vector>(load(from), load(from + of.row), load(from + 2 * of.row), load(from + 3 * of.row),
                             columns[at]);
        };
        const T* from = framed + c;
        unrolled<2>([&](auto at) DADARTS_INLINE { enter(at, from + at * of.pixel); });
        for (long t = 0; t < of.across; ++t, from += 2 * of.pixel) {
            unrolled<2>([&](auto at) DADARTS_INLINE {
                enter(std::integral_constant<int, at + 2>(), from + (at + 2) * of.pixel);
            });
            unrolled<kEdge>([&](auto i) DADARTS_INLINE {
                Vector row[kEdge];
                input_of(columns[0][i], columns[1][i], columns[2][i], columns[3][i], row);
                unrolled<kEdge>([&](auto j) DADARTS_INLINE {
                    store(to + (i * kEdge + j) * of.plane + t * of.pixel + c, row[j]);
                });
                columns[0][i] = columns[2][i], columns[1][i] = columns[3][i];
            });
        }
    }
}

// A dy A' of a row of tiles; `framed` is the first of their pixels.
template <class T>
void gradient_tiles(const T* framed, const Tiling<T>& of, T* to) {
    using Vector = typename Simd<T>::vector;
    for (long c = 0; c < of.pixel; c += Simd<T>::width) {
        const T* from = framed + c;
        T* place = to + c;
        for (long t = 0; t < of.across; ++t, from += 2 * of.pixel, place += of.pixel) {
            Vector columns[2][kEdge];
            unrolled<2>([&](auto x) DADARTS_INLINE {
                gradient_of<Vector>(load(from + x * of.pixel), load(from + of.row + x * of.pixel), columns[x]);
            });
            unrolled<kEdge>([&](auto i) DADARTS_INLINE {
                Vector row[kEdge];
                gradient_of(columns[0][i], columns[1][i], row);
                unrolled<kEdge>([&](auto j) DADARTS_INLINE { store(place + (i * kEdge + j) * of.plane, row[j]); });
            });
        }
    }
}

// A' m A of a row of tiles: two rows of pixels, each (2 * across, pixel).
template <class T>
void output_tiles(const T* places, const Tiling<T>& of, T* to) {
    using Vector = typename Simd<T>::vector;
    const long next = 2 * of.across * of.pixel;
    for (long c = 0; c < of.pixel; c += Simd<T>::width) {
        const T* place = places + c;
        T* out = to + c;
        for (long t = 0; t < of.across; ++t, place += of.pixel, out += 2 * of.pixel) {
            Vector rows[kEdge][2];
            unrolled<kEdge>([&](auto i) DADARTS_INLINE {
                const T* from = place + i * kEdge * of.plane;
                output_of<Vector>(load(from), load(from + of.plane), load(from + 2 * of.plane),
                                  load(from + 3 * of.plane), rows[i]);
            });
            unrolled<2>([&](auto x) DADARTS_INLINE {
                Vector column[2];
                output_of(rows[0][x], rows[1][x], rows[2][x], rows[3][x], column);
                store(out + x * of.pixel, column[0]);
                store(out + next + x * of.pixel, column[1]);
            });
        }
    }
}

}  // namespace
