// The supernet's hot spots on a CPU, forward and backward, in float and double.
//
// Pictures are NHWC ("channels_last"): a row of W pixels is W * C numbers in a row, and a tap of a depthwise kernel is
// the same row shifted by a multiple of C. Coefficients of one per channel are repeated to a tile whose length is a
// multiple of both C and the vector width, so that every loop over a row is one over vectors, whatever C is.
//
// Every sum over pictures is taken per thread over a fixed share of them and then over threads in order: the same
// number of threads gives the same bits.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <numeric>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace {

constexpr int kVectorBytes = 32;

template <class T>
struct Simd {
    typedef T vector __attribute__((vector_size(kVectorBytes)));
    typedef T unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
    static constexpr long width = kVectorBytes / sizeof(T);
};

template <class T>
inline typename Simd<T>::vector load(const T* from) {
    return *reinterpret_cast<const typename Simd<T>::unaligned*>(from);
}

template <class T>
inline void store(T* to, typename Simd<T>::vector value) {
    *reinterpret_cast<typename Simd<T>::unaligned*>(to) = value;
}

// Memory on cache lines: a vector that straddles two of them costs two loads.
template <class T>
struct OnCacheLines {
    using value_type = T;
    static constexpr std::align_val_t kLine{64};
    OnCacheLines() = default;
    template <class U>
    OnCacheLines(const OnCacheLines<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
    void deallocate(T* at, size_t) { ::operator delete(at, kLine); }
    bool operator==(const OnCacheLines&) const { return true; }
    bool operator!=(const OnCacheLines&) const { return false; }
};

template <class T>
using Buffer = std::vector<T, OnCacheLines<T>>;

// A loop over a row is written once, for a vector and for a single number: `lane` says which it is.
template <class T>
struct VectorLane {
    using value = typename Simd<T>::vector;
    static value load(const T* from) { return ::load(from); }
    static void store(T* to, value what) { ::store(to, what); }
};

template <class T>
struct ScalarLane {
    using value = T;
    static value load(const T* from) { return *from; }
    static void store(T* to, value what) { *to = what; }
};

// Calls body(lane, i, i % tile) for all i in [0, length).
template <class T, class Body>
inline void each(long length, long tile, Body body) {
    constexpr long width = Simd<T>::width;
    long base = 0;
    for (; base + tile <= length; base += tile)
        for (long i = 0; i < tile; i += width) body(VectorLane<T>(), base + i, i);
    long i = 0;
    for (; base + i + width <= length; i += width) body(VectorLane<T>(), base + i, i);
    for (; base + i < length; ++i) body(ScalarLane<T>(), base + i, i);
}

inline long round_up(long n, long unit) { return (n + unit - 1) / unit * unit; }

// Calls body(thread, first, last) with a fixed share of [0, n) for every thread.
template <class Body>
void shares(long n, int threads, Body body) {
    if (threads <= 1) {
        body(0, 0L, n);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
#ifdef _OPENMP
        const int thread = omp_get_thread_num(), team = omp_get_num_threads();
#else
        const int thread = 0, team = 1;
#endif
        // A team may be smaller than asked for: shares are numbered, whoever takes them.
        for (int share = thread; share < threads; share += team) body(share, n * share / threads, n * (share + 1) / threads);
    }
}

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

// Sizes of the buffers that a window slides over. With stride 2 a padded row holds its even pixels, then its odd ones, so
// that what a tap reads of a row lies side by side whatever the stride. Pixels of fewer channels than a vector are packed, so that the
// pointwise convolution of `pack` pixels is one product with a block diagonal matrix.
template <class T>
struct Plan : Window {
    long tile, plane, row, padded, out_row, pack, columns;
    // What to add to a window's first number for each tap: divided out once, not for every vector.
    std::array<long, 25> taps;
    explicit Plan(const Window& window) : Window(window) {
        tile = tile_of<T>(channels);
        pack = std::max(1L, std::lcm(channels, Simd<T>::width) / channels * (channels < Simd<T>::width));
        columns = round_up(pack * channels, Simd<T>::width);
        out_row = round_up(out_width() * channels, tile) + tile + columns;
        plane = (width + 2 * pad() + stride - 1) / stride * channels;
        row = stride * plane;
        // The last block of a row reads up to a tile past it.
        padded = (height + 2 * pad()) * row + out_row + tile;
        for (long at = 0; at < kernel * kernel; ++at)
            taps[at] = at / kernel * dilation * row + column(at % kernel * dilation);
    }
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
    for (long i = 0; i < tile; ++i) to[i] = per_channel[i % channels];
}

// Taps of a kernel (C, K, K), each repeated to a tile; rotated by half a turn for the transposed convolution.
template <class T>
Buffer<T> tiled_taps(const T* weight, const Plan<T>& plan, bool rotated) {
    const long taps = plan.kernel * plan.kernel;
    Buffer<T> tiled(taps * plan.tile);
    for (long tap = 0; tap < taps; ++tap) {
        const long from = rotated ? taps - 1 - tap : tap;
        for (long i = 0; i < plan.tile; ++i) tiled[tap * plan.tile + i] = weight[(i % plan.channels) * taps + from];
    }
    return tiled;
}

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

// A row of a depthwise convolution, in whole tiles.
template <class T, int K>
void depthwise_row(const T* padded, long y, const T* taps, const Plan<T>& plan, T* out) {
    const T* rows = padded + y * plan.stride * plan.row;
    const long length = plan.out_width() * plan.channels;
    long i = 0;
    for (; i + 3 * plan.tile < length; i += 4 * plan.tile) convolved_tiles<T, K, 4>(rows + i, taps, plan, out + i);
    for (; i < length; i += plan.tile) convolved_tiles<T, K, 1>(rows + i, taps, plan, out + i);
}

// taps_grad[tap] += sum over pixels of padded input at the tap times gradient; each a tile.
template <class T, int K>
void depthwise_weight_row(const T* padded, long y, const T* gradient, const Plan<T>& plan, T* taps_grad) {
    constexpr long width = Simd<T>::width;
    const long tile = plan.tile, length = plan.out_width() * plan.channels;
    const T* rows = padded + y * plan.stride * plan.row;
    // The gradient's row ends in zeros, so that whole tiles may be taken.
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

// out (pixels, n) = in (pixels, k) times matrix (k, columns), of whose columns the first n count.
template <class T, int Rows>
inline void product_block(const T* in, long k, const T* matrix, long columns, long n, T* out) {
    constexpr long width = Simd<T>::width;
    for (long c = 0; c < columns; c += 2 * width) {
        const bool two = c + width < columns;
        typename Simd<T>::vector left[Rows] = {}, right[Rows] = {};
        const T* at = matrix + c;
        if (two) {
            for (long i = 0; i < k; ++i, at += columns) {
                const auto b0 = load(at), b1 = load(at + width);
                for (int r = 0; r < Rows; ++r) {
                    left[r] += in[r * k + i] * b0;
                    right[r] += in[r * k + i] * b1;
                }
            }
        } else {
            for (long i = 0; i < k; ++i, at += columns) {
                const auto b0 = load(at);
                for (int r = 0; r < Rows; ++r) left[r] += in[r * k + i] * b0;
            }
        }
        for (int r = 0; r < Rows; ++r) {
            T* to = out + r * n + c;
            const long rest = n - c;
            if (rest >= 2 * width) {
                store(to, left[r]);
                store(to + width, right[r]);
            } else if (rest >= width) {
                store(to, left[r]);
                std::memcpy(to + width, &right[r], (rest - width) * sizeof(T));
            } else {
                std::memcpy(to, &left[r], rest * sizeof(T));
            }
        }
    }
}

template <class T>
void product(const T* in, long pixels, long k, const T* matrix, long columns, long n, T* out) {
    long p = 0;
    for (; p + 6 <= pixels; p += 6) product_block<T, 6>(in + p * k, k, matrix, columns, n, out + p * n);
    for (; p + 2 <= pixels; p += 2) product_block<T, 2>(in + p * k, k, matrix, columns, n, out + p * n);
    for (; p < pixels; ++p) product_block<T, 1>(in + p * k, k, matrix, columns, n, out + p * n);
}

// matrix (k, columns) += in (pixels, k) transposed times gradient (pixels, n).
template <class T, int Rows>
inline void outer_block(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    constexpr long width = Simd<T>::width;
    for (long c = 0; c < columns; c += 2 * width) {
        const bool two = c + width < columns;
        typename Simd<T>::vector left[Rows], right[Rows];
        for (int r = 0; r < Rows; ++r) {
            left[r] = load(matrix + r * columns + c);
            right[r] = two ? load(matrix + r * columns + c + width) : left[r];
        }
        for (long p = 0; p < pixels; ++p) {
            const auto g0 = load(gradient + p * n + c);
            if (two) {
                const auto g1 = load(gradient + p * n + c + width);
                for (int r = 0; r < Rows; ++r) {
                    left[r] += in[p * k + r] * g0;
                    right[r] += in[p * k + r] * g1;
                }
            } else {
                for (int r = 0; r < Rows; ++r) left[r] += in[p * k + r] * g0;
            }
        }
        for (int r = 0; r < Rows; ++r) {
            store(matrix + r * columns + c, left[r]);
            if (two) store(matrix + r * columns + c + width, right[r]);
        }
    }
}

template <class T>
void outer(const T* in, long pixels, long k, const T* gradient, long n, long columns, T* matrix) {
    long i = 0;
    for (; i + 4 <= k; i += 4) outer_block<T, 4>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
    for (; i < k; ++i) outer_block<T, 1>(in + i, pixels, k, gradient, n, columns, matrix + i * columns);
}

// sums[c] += sum of value(lane, i, i % tile) over the numbers i of channel c.
template <class T, class Value>
void channel_sums(long length, long channels, long tile, T* scratch, T* sums, Value value) {
    constexpr long width = Simd<T>::width;
    const long whole = length / tile * tile;
    for (long at = 0; at < tile; at += width) {
        typename Simd<T>::vector even = {}, odd = {};
        long i = at;
        for (; i + tile < whole; i += 2 * tile) {
            even += value(VectorLane<T>(), i, at);
            odd += value(VectorLane<T>(), i + tile, at);
        }
        if (i < whole) even += value(VectorLane<T>(), i, at);
        store(scratch + at, even + odd);
    }
    for (long i = whole; i < length; ++i) scratch[i - whole] += value(ScalarLane<T>(), i, i - whole);
    for (long base = 0; base < tile; base += channels)
        for (long c = 0; c < channels; ++c) sums[c] += scratch[base + c];
}

// Count, mean and sum of squared distances from it, per channel; merged as in Chan, Golub and LeVeque (1979).
template <class T>
class Moments {
   public:
    double count = 0;
    std::vector<double> mean, squares;
    Moments(long channels, long tile)
        : mean(channels), squares(channels), channels_(channels), tile_(tile), scratch_(tile), sums_(2 * channels), centre_(tile) {}

    // Distances are first taken from the first pixel, which keeps the digits of channels far from zero.
    void add(const T* pixels, long n) {
        repeat(pixels, channels_, tile_, centre_.data());
        std::fill(sums_.begin(), sums_.end(), T(0));
        const T* centre = centre_.data();
        const auto distance = [&](auto lane, long i, long at) { return lane.load(pixels + i) - lane.load(centre + at); };
        channel_sums(n * channels_, channels_, tile_, scratch_.data(), sums_.data(), distance);
        channel_sums(n * channels_, channels_, tile_, scratch_.data(), sums_.data() + channels_,
                     [&](auto lane, long i, long at) {
                         const auto from_centre = distance(lane, i, at);
                         return from_centre * from_centre;
                     });
        merge(
            n, [&](long c) { return double(centre_[c]) + double(sums_[c]) / n; },
            [&](long c) { return std::max(0.0, sums_[channels_ + c] - double(sums_[c]) * sums_[c] / n); });
    }

    void add(const Moments& other) {
        if (other.count > 0)
            merge(other.count, [&](long c) { return other.mean[c]; }, [&](long c) { return other.squares[c]; });
    }

   private:
    long channels_, tile_;
    Buffer<T> scratch_, sums_, centre_;

    template <class Mean, class Squares>
    void merge(double n, Mean mean_of, Squares squares_of) {
        const double total = count + n, share = n / total, weight = count * share;
        for (long c = 0; c < channels_; ++c) {
            const double distance = mean_of(c) - mean[c];
            mean[c] += distance * share;
            squares[c] += squares_of(c) + distance * distance * weight;
        }
        count = total;
    }
};

// (mean, 1 / sqrt(variance + eps)) of a batch norm.
template <class T>
void finish(const std::vector<Moments<T>>& parts, double eps, T* norm) {
    Moments<T> all = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) all.add(parts[i]);
    const size_t channels = all.mean.size();
    for (size_t c = 0; c < channels; ++c) {
        norm[c] = T(all.mean[c]);
        norm[channels + c] = T(1 / std::sqrt(all.squares[c] / all.count + eps));
    }
}

// Tiles of the scale and shift of a norm (mean, 1 / deviation).
template <class T>
struct Affine {
    Buffer<T> scale, shift;
    Affine(const T* norm, long channels, long tile) {
        if (norm == nullptr) return;
        scale.resize(tile);
        shift.resize(tile);
        for (long i = 0; i < tile; ++i) {
            const long c = i % channels;
            scale[i] = norm[channels + c];
            shift[i] = -norm[c] * norm[channels + c];
        }
    }
    const T* scales() const { return scale.empty() ? nullptr : scale.data(); }
    const T* shifts() const { return shift.empty() ? nullptr : shift.data(); }
};

// weight (out, in) as a block diagonal matrix: (in, out) for the forward product, (out, in) for the backward one.
template <class T>
Buffer<T> packed_matrix(const T* weight, const Plan<T>& plan, bool transposed) {
    const long channels = plan.channels;
    Buffer<T> matrix(plan.packed() * plan.columns);
    for (long block = 0; block < plan.packed(); block += channels)
        for (long a = 0; a < channels; ++a)
            for (long b = 0; b < channels; ++b)
                matrix[(block + a) * plan.columns + block + b] =
                    transposed ? weight[b * channels + a] : weight[a * channels + b];
    return matrix;
}

template <class T, int K>
void unit_forward(const Window& window, const T* x, const T* norm, const T* depthwise, const T* pointwise, double eps,
                  T* y, T* out_norm, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels;
    const auto taps = tiled_taps(depthwise, plan, false);
    const auto matrix = packed_matrix(pointwise, plan, true);
    const Affine<T> affine(norm, channels, plan.tile);
    const long in_size = plan.height * plan.width * channels, out_width = plan.out_width();
    const long out_size = plan.out_height() * out_width * channels;
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, plan.tile));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded(plan.padded), row(plan.out_row), result(plan.out_row), scratch(plan.width * channels);
        for (long b = first; b < last; ++b) {
            rectified(x + b * in_size, affine.scales(), affine.shifts(), plan, scratch.data(), padded.data());
            for (long r = 0; r < plan.out_height(); ++r) {
                T* out = y + b * out_size + r * out_width * channels;
                depthwise_row<T, K>(padded.data(), r, taps.data(), plan, row.data());
                product(row.data(), plan.packs(), plan.packed(), matrix.data(), plan.columns, plan.packed(), result.data());
                moments[share].add(result.data(), out_width);
                std::memcpy(out, result.data(), out_width * channels * sizeof(T));
            }
        }
    });
    finish(moments, eps, out_norm);
}

template <class T, int K>
void unit_backward(const Window& window, const T* x, const T* norm, const T* depthwise, const T* pointwise,
                   const T* gradient, const T* y, const T* coefficients, T* x_grad, T* depthwise_grad,
                   T* pointwise_grad, T* x_coefficients, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, packed = plan.packed(), columns = plan.columns, taps_n = K * K;
    const auto taps = tiled_taps(depthwise, plan, false);
    const auto rotated = tiled_taps(depthwise, plan, true);
    const auto matrix = packed_matrix(pointwise, plan, false);
    const Affine<T> affine(norm, channels, plan.tile);
    Buffer<T> a(plan.tile), b(plan.tile), d(plan.tile);
    repeat(coefficients, channels, plan.tile, a.data());
    repeat(coefficients + channels, channels, plan.tile, b.data());
    repeat(coefficients + 2 * channels, channels, plan.tile, d.data());
    const long in_row = plan.width * channels, in_size = plan.height * in_row;
    const long out_row = plan.out_width() * channels, out_size = plan.out_height() * out_row;
    const bool weights = depthwise_grad != nullptr, accumulate = norm == nullptr;
    std::vector<Buffer<T>> taps_grad(threads), matrix_grad(threads);
    std::vector<std::vector<double>> sums(threads, std::vector<double>(2 * channels));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded(plan.padded), spread(plan.padded), row(plan.out_row), out_grad(plan.out_row);
        Buffer<T> inner(plan.out_row), in_grad(plan.out_row + in_row), activations(in_row);
        Buffer<T> row_sums(2 * channels), scratch(std::max(plan.tile, in_row));
        taps_grad[share].assign(taps_n * plan.tile, 0);
        matrix_grad[share].assign(packed * columns, 0);
        for (long picture = first; picture < last; ++picture) {
            rectified(x + picture * in_size, affine.scales(), affine.shifts(), plan, scratch.data(), padded.data());
            if (plan.stride != 1) std::fill(spread.begin(), spread.end(), T(0));
            for (long r = 0; r < plan.out_height(); ++r) {
                const T* g = gradient + picture * out_size + r * out_row;
                const T* value = y + picture * out_size + r * out_row;
                each<T>(out_row, plan.tile, [&](auto lane, long i, long at) {
                    lane.store(&out_grad[i], lane.load(&a[at]) * lane.load(g + i) +
                                                 lane.load(&b[at]) * lane.load(value + i) + lane.load(&d[at]));
                });
                product(out_grad.data(), plan.packs(), packed, matrix.data(), columns, packed, inner.data());
                if (weights) {
                    depthwise_row<T, K>(padded.data(), r, taps.data(), plan, row.data());
                    outer(row.data(), plan.packs(), packed, out_grad.data(), packed, columns, matrix_grad[share].data());
                    depthwise_weight_row<T, K>(padded.data(), r, inner.data(), plan, taps_grad[share].data());
                }
                if (plan.stride == 1)
                    plan.enter(inner.data(), spread.data() + plan.interior(r));
                else
                    scattered_row<T, K>(inner.data(), r, taps.data(), plan, spread.data());
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
                if (accumulate) continue;
                std::fill(row_sums.begin(), row_sums.end(), T(0));
                channel_sums(in_row, channels, plan.tile, scratch.data(), row_sums.data(),
                             [&](auto lane, long i, long) { return lane.load(to + i); });
                channel_sums(in_row, channels, plan.tile, scratch.data(), row_sums.data() + channels,
                             [&](auto lane, long i, long) { return lane.load(to + i) * lane.load(active + i); });
                for (long i = 0; i < 2 * channels; ++i) sums[share][i] += row_sums[i];
            }
        }
    });
    if (weights) {
        for (long c = 0; c < channels; ++c)
            for (long tap = 0; tap < taps_n; ++tap) {
                double total = 0;
                for (int s = 0; s < threads; ++s)
                    for (long i = c; i < plan.tile; i += channels) total += taps_grad[s][tap * plan.tile + i];
                depthwise_grad[c * taps_n + tap] = T(total);
            }
        for (long in = 0; in < channels; ++in)
            for (long out = 0; out < channels; ++out) {
                double total = 0;
                for (int s = 0; s < threads; ++s)
                    for (long block = 0; block < packed; block += channels)
                        total += matrix_grad[s][(block + in) * columns + block + out];
                pointwise_grad[out * channels + in] = T(total);
            }
    }
    if (!accumulate) {
        // The gradient of a batch norm's input is a linear map of (gradient, input) per channel.
        const double count = double(plan.pictures) * plan.height * plan.width;
        for (long c = 0; c < channels; ++c) {
            double plain = 0, scaled = 0;
            for (int s = 0; s < threads; ++s) plain += sums[s][c], scaled += sums[s][channels + c];
            const double mean = norm[c], inverse = norm[channels + c], slope = -inverse * inverse * scaled / count;
            x_coefficients[c] = T(inverse);
            x_coefficients[channels + c] = T(slope);
            x_coefficients[2 * channels + c] = T(-inverse * plain / count - slope * mean);
        }
    }
}

template <class T>
void norm_of(long pictures, long pixels, long channels, const T* x, double eps, T* norm, int threads) {
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, tile_of<T>(channels)));
    shares(pictures, threads, [&](int share, long first, long last) {
        constexpr long kRun = 64;
        for (long p = first * pixels; p < last * pixels; p += kRun)
            moments[share].add(x + p * channels, std::min(kRun, last * pixels - p));
    });
    finish(moments, eps, norm);
}

// out = bias + sum over terms of scale[term] * x[term]; scales and bias are one per channel.
template <class T>
void mix(long pixels, long channels, long terms, const T* const* x, const T* scales, const T* bias, T* out, int threads) {
    const long tile = tile_of<T>(channels);
    const long block = tile * std::max(1L, 2048 / tile), length = pixels * channels;
    Buffer<T> scale((terms + 1) * tile), base(tile);
    repeat(bias, channels, tile, base.data());
    for (long j = 0; j < terms; ++j) repeat(scales + j * channels, channels, tile, scale.data() + j * tile);
    shares((length + block - 1) / block, threads, [&](int, long first, long last) {
        for (long n = first; n < last; ++n) {
            const long begin = n * block, end = std::min(length, begin + block);
            each<T>(end - begin, tile, [&](auto lane, long i, long at) { lane.store(out + begin + i, lane.load(&base[at])); });
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

// sums[0] = sum of gradient, sums[1 + term] = sum of gradient * x[term], per channel.
template <class T>
void products(long pixels, long channels, long terms, const T* const* x, const T* gradient, double* sums, int threads) {
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
    for (long i = 0; i < (1 + terms) * channels; ++i) {
        sums[i] = 0;
        for (int s = 0; s < threads; ++s) sums[i] += parts[s][i];
    }
}

// to += a * gradient + b * x + d, per channel; x may be null, and with it b and d.
template <class T>
void add_affine(long pixels, long channels, const T* gradient, const T* x, const T* coefficients, T* to, int threads) {
    const long tile = tile_of<T>(channels);
    const long block = tile * std::max(1L, 2048 / tile), length = pixels * channels;
    Buffer<T> a(tile), b(tile), d(tile);
    repeat(coefficients, channels, tile, a.data());
    repeat(coefficients + channels, channels, tile, b.data());
    repeat(coefficients + 2 * channels, channels, tile, d.data());
    shares((length + block - 1) / block, threads, [&](int, long first, long last) {
        const long begin = first * block, end = std::min(length, last * block);
        each<T>(end - begin, tile, [&](auto lane, long i, long at) {
            auto total = lane.load(to + begin + i) + lane.load(&a[at]) * lane.load(gradient + begin + i);
            if (x != nullptr) total += lane.load(&b[at]) * lane.load(x + begin + i) + lane.load(&d[at]);
            lane.store(to + begin + i, total);
        });
    });
}

// The 3x3 windows of pools: which of a row or column lie in the picture.
struct Span {
    long first, last;
    Span(long at, long stride, long size) : first(std::max(0L, at * stride - 1)), last(std::min(size, at * stride + 2)) {}
    long count() const { return last - first; }
};

// out[x] = sum of a row over windows of three pixels with a stride, times factor.
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
        for (long c = 0; c < channels; ++c) out[x * channels + c] = from[c] + from[channels + c] + from[2 * channels + c];
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
void average_forward(const Window& window, const T* x, double eps, T* y, T* norm, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const auto columns = column_shares(plan);
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
                if (norm != nullptr) moments[share].add(out, plan.out_width());
            }
    });
    if (norm != nullptr) finish(moments, eps, norm);
}

template <class T>
void average_backward(const Window& window, const T* gradient, T* x_grad, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const auto columns = column_shares(plan);
    shares(plan.pictures, threads, [&](int, long first, long last) {
        Buffer<T> shared(out_row + 2 * channels), spread(in_row + 3 * channels);
        for (long b = first; b < last; ++b) {
            T* picture = x_grad + b * plan.height * in_row;
            std::memset(picture, 0, plan.height * in_row * sizeof(T));
            for (long r = 0; r < plan.out_height(); ++r) {
                const Span rows(r, plan.stride, plan.height);
                const T* g = gradient + (b * plan.out_height() + r) * out_row;
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
void maximum_forward(const Window& window, const T* x, double eps, T* y, uint8_t* winners, T* norm, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const long row = in_row + 3 * channels;
    std::vector<Moments<T>> moments(threads, Moments<T>(channels, plan.tile));
    shares(plan.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> padded((plan.height + 3) * row, -INFINITY), best(out_row), winner(out_row);
        for (long b = first; b < last; ++b) {
            for (long r = 0; r < plan.height; ++r)
                std::memcpy(padded.data() + (r + 1) * row + channels, x + (b * plan.height + r) * in_row, in_row * sizeof(T));
            for (long r = 0; r < plan.out_height(); ++r) {
                std::fill(best.begin(), best.end(), -INFINITY);
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
    if (norm != nullptr) finish(moments, eps, norm);
}

template <class T>
void maximum_backward(const Window& window, const T* gradient, const uint8_t* winners, T* x_grad, int threads) {
    const Plan<T> plan(window);
    const long channels = plan.channels, in_row = plan.width * channels, out_row = plan.out_width() * channels;
    const long row = in_row + 3 * channels;
    shares(plan.pictures, threads, [&](int, long first, long last) {
        Buffer<T> padded((plan.height + 3) * row), winner(out_row);
        for (long b = first; b < last; ++b) {
            std::fill(padded.begin(), padded.end(), T(0));
            for (long r = 0; r < plan.out_height(); ++r) {
                const T* g = gradient + (b * plan.out_height() + r) * out_row;
                const uint8_t* where = winners + (b * plan.out_height() + r) * out_row;
                for (long i = 0; i < out_row; ++i) winner[i] = T(where[i]);
                for (long tap = 0; tap < 9; ++tap) {
                    T* to = padded.data() + (r * plan.stride + tap / 3) * row + tap % 3 * channels;
                    const auto award = [&](auto lane, T* pixel, long i) {
                        const auto value = lane.load(g + i);
                        lane.store(pixel, lane.load(pixel) + (lane.load(&winner[i]) == T(tap) ? value : decltype(value + value){}));
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
            for (long r = 0; r < plan.height; ++r)
                std::memcpy(x_grad + (b * plan.height + r) * in_row, padded.data() + (r + 1) * row + channels,
                            in_row * sizeof(T));
        }
    });
}

}  // namespace

#define DADARTS_EXPORT(T, suffix)                                                                                      \
    extern "C" void unit_forward_##suffix(const Window* window, const T* x, const T* norm, const T* depthwise,         \
                                          const T* pointwise, double eps, T* y, T* out_norm, int threads) {            \
        (window->kernel == 3 ? unit_forward<T, 3> : unit_forward<T, 5>)(*window, x, norm, depthwise, pointwise, eps,   \
                                                                        y, out_norm, threads);                         \
    }                                                                                                                  \
    extern "C" void unit_backward_##suffix(                                                                            \
        const Window* window, const T* x, const T* norm, const T* depthwise, const T* pointwise, const T* gradient,    \
        const T* y, const T* coefficients, T* x_grad, T* depthwise_grad, T* pointwise_grad, T* x_coefficients,         \
        int threads) {                                                                                                 \
        (window->kernel == 3 ? unit_backward<T, 3> : unit_backward<T, 5>)(                                             \
            *window, x, norm, depthwise, pointwise, gradient, y, coefficients, x_grad, depthwise_grad, pointwise_grad, \
            x_coefficients, threads);                                                                                  \
    }                                                                                                                  \
    extern "C" void norm_of_##suffix(long pictures, long pixels, long channels, const T* x, double eps, T* norm,       \
                                     int threads) {                                                                    \
        norm_of<T>(pictures, pixels, channels, x, eps, norm, threads);                                                 \
    }                                                                                                                  \
    extern "C" void mix_##suffix(long pixels, long channels, long terms, const T* const* x, const T* scales,           \
                                 const T* bias, T* out, int threads) {                                                 \
        mix<T>(pixels, channels, terms, x, scales, bias, out, threads);                                                \
    }                                                                                                                  \
    extern "C" void products_##suffix(long pixels, long channels, long terms, const T* const* x, const T* gradient,    \
                                      double* sums, int threads) {                                                     \
        products<T>(pixels, channels, terms, x, gradient, sums, threads);                                              \
    }                                                                                                                  \
    extern "C" void add_affine_##suffix(long pixels, long channels, const T* gradient, const T* x,                     \
                                        const T* coefficients, T* to, int threads) {                                   \
        add_affine<T>(pixels, channels, gradient, x, coefficients, to, threads);                                       \
    }                                                                                                                  \
    extern "C" void average_forward_##suffix(const Window* window, const T* x, double eps, T* y, T* norm,              \
                                             int threads) {                                                            \
        average_forward<T>(*window, x, eps, y, norm, threads);                                                         \
    }                                                                                                                  \
    extern "C" void average_backward_##suffix(const Window* window, const T* gradient, T* x_grad, int threads) {       \
        average_backward<T>(*window, gradient, x_grad, threads);                                                       \
    }                                                                                                                  \
    extern "C" void maximum_forward_##suffix(const Window* window, const T* x, double eps, T* y, uint8_t* winners,     \
                                             T* norm, int threads) {                                                   \
        maximum_forward<T>(*window, x, eps, y, winners, norm, threads);                                                \
    }                                                                                                                  \
    extern "C" void maximum_backward_##suffix(const Window* window, const T* gradient, const uint8_t* winners,         \
                                              T* x_grad, int threads) {                                                \
        maximum_backward<T>(*window, gradient, winners, x_grad, threads);                                              \
    }

DADARTS_EXPORT(float, f32)
DADARTS_EXPORT(double, f64)
