// A window that slides over padded pictures: sizes, layout, and what is repeated to tiles.
#pragma once

#include <array>
#include <numeric>

#include "lanes.hpp"

namespace {

struct Window {
    long pictures, channels, height, width, kernel, dilation, stride;
    long pad() const { return dilation * (kernel - 1) / 2; }
    long out_height() const { return (height + stride - 1) / stride; }
    long out_width() const { return (width + stride - 1) / stride; }
};

template <class T>
long tile_of(long channels) {
    return std::lcm(channels, Simd<T>::width);
}

// Sizes of the buffers that a window slides over; `out_row` is that of a band of output rows. With stride 2 a padded row holds its even pixels, then its odd ones,
// so that what a tap reads of a row lies side by side whatever the stride. Pixels of fewer channels than a vector are
// packed, so that the pointwise convolution of `pack` pixels is one product with a block diagonal matrix.
template <class T>
struct Plan : Window {
    long tile, plane, row, padded, out_row, pack, columns, band;
    // What to add to a window's first number for each tap: divided out once, not for every vector.
    std::array<long, 25> taps;
    explicit Plan(const Window& window) : Window(window) {
        tile = tile_of<T>(channels);
        pack = std::max(1L, std::lcm(channels, Simd<T>::width) / channels * (channels < Simd<T>::width));
        columns = round_up(pack * channels, Simd<T>::width);
        // Short rows are computed several at a time, so that what a matrix is loaded for is some 32 pixels.
        band = whole() ? std::clamp(32 / out_width(), 1L, out_height()) : 1;
        out_row = round_up(band * out_width() * channels, tile) + tile + columns;
        plane = (width + 2 * pad() + stride - 1) / stride * channels;
        row = stride * plane;
        // The last block of a row reads up to a tile past it.
        padded = (height + 2 * pad()) * row + out_row + tile;
        for (long at = 0; at < kernel * kernel; ++at)
            taps[at] = at / kernel * dilation * row + column(at % kernel * dilation);
    }
    // Whether output rows are whole tiles.
    bool whole() const { return out_width() * channels % tile == 0; }
    // Whether pixels are whole vectors and neighbours in a row.
    bool runs() const { return stride == 1 && tile == channels; }
    // Where the pixel of a column of the padded picture lies in its row.
    long column(long x) const { return x % stride * plane + x / stride * channels; }

    // Copies a row of the picture into its padded row, or out of it.
    void enter(const T* from, T* padded_row) const {
        if (stride == 1)
            std::memcpy(padded_row + pad() * channels, from, width * channels * sizeof(T));
        else
            for (long x = 0; x < width; ++x)
                std::memcpy(padded_row + column(x + pad()), from + x * channels, channels * sizeof(T));
    }
    void leave(const T* padded_row, T* to) const {
        if (stride == 1)
            std::memcpy(to, padded_row + pad() * channels, width * channels * sizeof(T));
        else
            for (long x = 0; x < width; ++x)
                std::memcpy(to + x * channels, padded_row + column(x + pad()), channels * sizeof(T));
    }

    long interior(long y) const { return (y + pad()) * row; }
    long packs() const { return (out_width() + pack - 1) / pack; }
    long packed() const { return pack * channels; }
};

// One number a channel, repeated to a tile.
template <class T>
void repeat(const T* per_channel, long channels, long tile, T* to) {
    for (long base = 0; base < tile; base += channels) std::copy_n(per_channel, channels, to + base);
}

// Taps of a kernel (C, K, K), each repeated to a tile; rotated by half a turn for the transposed convolution.
template <class T>
Buffer<T> tiled_taps(const T* weight, const Plan<T>& plan, bool rotated) {
    const long taps = plan.kernel * plan.kernel;
    Buffer<T> tiled(taps * plan.tile);
    for (long tap = 0; tap < taps; ++tap) {
        const T* from = weight + (rotated ? taps - 1 - tap : tap);
        T* to = tiled.data() + tap * plan.tile;
        for (long base = 0; base < plan.tile; base += plan.channels)
            for (long c = 0; c < plan.channels; ++c) to[base + c] = from[c * taps];
    }
    return tiled;
}

}  // namespace
