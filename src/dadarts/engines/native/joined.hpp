// Projections of a discrete network: ReLU and a 1x1 convolution of states that are read as if they were concatenated,
// each behind its own norm; the norm of the output is left to its readers.
#pragma once

#include "projection.hpp"
#include "through.hpp"

namespace {

// A state, and where its gradient goes: null where nobody asks for it.
template <class T>
struct Part {
    const T* x;
    Norm<T> norm;
    long channels;
    T* grad;
    bool accumulate;
};

template <class T>
class Joined {
   public:
    Joined(const Projection& p, const Part<T>* parts, long count, bool rectify)
        : p_(p), parts_(parts, parts + count), rectify_(rectify) {
        for (const Part<T>& part : parts_) affines_.emplace_back(part.norm, part.channels, tile_of<T>(part.channels));
    }

    // What a pick reads of an output row, pixels side by side; zeros beyond the picture.
    void gather(long b, long r, const Pick& pick, T* to) const {
        const long n = pick.inside(p_, r);
        for (size_t q = 0, first = 0; q < parts_.size(); first += parts_[q].channels, ++q) {
            const long channels = parts_[q].channels;
            const T* from = parts_[q].x + place(b, r, pick) * channels;
            const Affine<T>& affine = affines_[q];
            const auto rectified = [&](auto lane, const T* x, long channel, T* out) {
                auto value = affine(lane, x, channel);
                if (rectify_) value = value <= 0 ? decltype(value){} : value;
                lane.store(out, value);
            };
            if (whole())
                each<T>(n * channels, tile_of<T>(channels),
                        [&](auto lane, long i, long at) { rectified(lane, from + i, at, to + i); });
            else
                pixels(n, channels, [&](auto lane, long pixel, long c) {
                    rectified(lane, from + pixel * p_.stride * channels + c, c, to + first + pixel * p_.in + c);
                });
        }
        std::fill(to + n * p_.in, to + p_.out_width() * p_.in, T(0));
    }

    // Gives every state its part of the gradient of what was gathered.
    void scatter(const T* gradient, const T* active, long b, long r, const Pick& pick) const {
        const long n = pick.inside(p_, r);
        for (size_t q = 0, first = 0; q < parts_.size(); first += parts_[q].channels, ++q) {
            if (parts_[q].grad == nullptr) continue;
            const long channels = parts_[q].channels;
            T* to = parts_[q].grad + place(b, r, pick) * channels;
            const bool accumulate = parts_[q].accumulate;
            const auto passed = [&](auto lane, long at, T* out) {
                auto value = lane.load(gradient + at);
                if (rectify_) value = lane.load(active + at) > 0 ? value : decltype(value + value){};
                lane.store(out, accumulate ? lane.load(out) + value : value);
            };
            if (whole())
                each<T>(n * channels, Simd<T>::width, [&](auto lane, long i, long) { passed(lane, i, to + i); });
            else
                pixels(n, channels, [&](auto lane, long pixel, long c) {
                    passed(lane, first + pixel * p_.in + c, to + pixel * p_.stride * channels + c);
                });
        }
    }

    // With stride 2 not every pixel is read: those gradients begin as zeros.
    void clear() const {
        if (p_.stride == 1) return;
        for (const Part<T>& part : parts_)
            if (part.grad != nullptr && !part.accumulate)
                std::memset(part.grad, 0, p_.pictures * p_.height * p_.width * part.channels * sizeof(T));
    }

    bool wants_gradients() const {
        return std::any_of(parts_.begin(), parts_.end(), [](const Part<T>& part) { return part.grad != nullptr; });
    }

   private:
    Projection p_;
    std::vector<Part<T>> parts_;
    std::vector<Affine<T>> affines_;
    bool rectify_;

    // Calls body(lane, pixel, channel) for n pixels.
    template <class Body>
    static void pixels(long n, long channels, Body body) {
        constexpr long width = Simd<T>::width;
        const long whole = channels / width * width;
        for (long pixel = 0; pixel < n; ++pixel) {
            for (long c = 0; c < whole; c += width) body(VectorLane<T>(), pixel, c);
            for (long c = whole; c < channels; ++c) body(ScalarLane<T>(), pixel, c);
        }
    }
    // Whether a row is one run of numbers.
    bool whole() const { return parts_.size() == 1 && p_.stride == 1; }
    // The first pixel that a pick reads of an output row.
    long place(long b, long r, const Pick& pick) const {
        return (b * p_.height + p_.stride * r + pick.offset) * p_.width + pick.offset;
    }
};

// Rows are computed several at a time, so that what a matrix is loaded for is some 64 pixels.
inline long band_of(const Projection& p) { return std::clamp(64 / p.out_width(), 1L, p.out_height()); }

template <class T>
void join_forward(const Projection& p, const Part<T>* parts, long count, bool rectify, const T* weight, double eps,
                  T* y, T* norm, T* variance, int threads) {
    const auto picks = picks_of(p);
    const Joined<T> joined(p, parts, count, rectify);
    std::vector<Buffer<T>> matrices;
    for (const Pick& pick : picks) matrices.push_back(padded_matrix(weight, p, pick, true));
    const long out_row = p.out_width() * p.out, in_row = p.out_width() * p.in, band = band_of(p);
    std::vector<Moments<T>> moments(threads, Moments<T>(p.out, tile_of<T>(p.out)));
    shares(p.pictures, threads, [&](int share, long first, long last) {
        Buffer<T> active(band * in_row);
        for (long b = first; b < last; ++b)
            for (long r = 0; r < p.out_height(); r += band) {
                const long rows = std::min(band, p.out_height() - r);
                T* out = y + (b * p.out_height() + r) * out_row;
                for (size_t i = 0; i < picks.size(); ++i) {
                    const long n = picks[i].channels;
                    for (long row = 0; row < rows; ++row)
                        joined.gather(b, r + row, picks[i], active.data() + row * in_row);
                    product(active.data(), rows * p.out_width(), p.in, matrices[i].data(),
                            round_up(n, Simd<T>::width), n, out + picks[i].first, p.out);
                }
                if (norm != nullptr) moments[share].add(out, rows * p.out_width());
            }
    });
    if (norm != nullptr) finish(moments, eps, norm, variance);
}

// The transpose of `join_forward`; the weight's gradient is null where it is not asked for.
template <class T>
void join_backward(const Projection& p, const Part<T>* parts, long count, bool rectify, const T* weight,
                   const Source<T>& source, T* weight_grad, int threads) {
    const Joined<T> joined(p, parts, count, rectify);
    const long tile = tile_of<T>(p.out), band = band_of(p);
    const long out_row = p.out_width() * p.out, in_row = p.out_width() * p.in;
    joined.clear();
    for (const Pick& pick : picks_of(p)) {
        const long stride = round_up(pick.channels, Simd<T>::width), columns = round_up(p.in, Simd<T>::width);
        const auto matrix = padded_matrix(weight, p, pick, false);
        std::vector<Buffer<T>> totals(threads);
        shares(p.pictures, threads, [&](int share, long first, long last) {
            Buffer<T> active(band * in_row), inner(band * in_row), raw(band * out_row);
            Buffer<T> padded(band * p.out_width() * stride);
            Linear<T> through(source, p.out, tile);
            totals[share].assign(p.in * stride, T(0));
            for (long b = first; b < last; ++b) {
                through.enter(b);
                for (long r = 0; r < p.out_height(); r += band) {
                    const long rows = std::min(band, p.out_height() - r), pixels = rows * p.out_width();
                    const long begin = (b * p.out_height() + r) * out_row;
                    const T *g = source.gradient + begin, *value = source.value + begin, *part = raw.data();
                    each<T>(rows * out_row, tile, [&](auto lane, long i, long at) {
                        lane.store(&raw[i], through(lane, g + i, value + i, at));
                    });
                    for (long row = 0; row < rows; ++row)
                        joined.gather(b, r + row, pick, active.data() + row * in_row);
                    if (pick.channels != p.out || stride != p.out) {
                        part = padded.data();
                        for (long i = 0; i < pixels; ++i)
                            std::memcpy(&padded[i * stride], &raw[i * p.out + pick.first], pick.channels * sizeof(T));
                    }
                    if (weight_grad != nullptr)
                        outer(active.data(), pixels, p.in, part, stride, stride, totals[share].data());
                    if (!joined.wants_gradients()) continue;
                    product(part, pixels, stride, matrix.data(), columns, p.in, inner.data(), p.in);
                    for (long row = 0; row < rows; ++row)
                        joined.scatter(inner.data() + row * in_row, active.data() + row * in_row, b, r + row, pick);
                }
            }
        });
        if (weight_grad != nullptr) weight_sums(totals, p, pick, stride, weight_grad);
    }
}

}  // namespace
