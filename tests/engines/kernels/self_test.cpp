// Every kernel against plain loops in double, without Python or torch: what a cross-compiler and an emulator can run.
//
// Prints one line for every kernel and type, and ends with 1 where a number is off.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels.cpp"

namespace {

std::mt19937 draws(0);

template <class T>
struct Names;
template <>
struct Names<float> {
    static constexpr const char* name = "float";
    static constexpr double tolerance = 2e-4;
};
template <>
struct Names<double> {
    static constexpr const char* name = "double";
    static constexpr double tolerance = 1e-11;
};

template <class T>
std::vector<T> normal(long n) {
    std::normal_distribution<double> of(0.3, 1);
    std::vector<T> numbers(n);
    for (auto& number : numbers) number = T(of(draws));
    return numbers;
}

// The largest distance so far, relative to the largest number of what it is compared with.
struct Distance {
    double largest = 0;
    template <class T, class Expected>
    void add(const std::vector<T>& found, const std::vector<Expected>& expected) {
        double scale = 1, apart = 0;
        if (found.size() != expected.size()) apart = INFINITY;
        for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
            scale = std::max(scale, std::abs(double(expected[i])));
            const double one = std::abs(double(found[i]) - double(expected[i]));
            apart = std::isfinite(one) ? std::max(apart, one) : INFINITY;
        }
        largest = std::max(largest, apart / scale);
    }
};

struct Sizes {
    long pictures, channels, height, width;
    long pixels() const { return pictures * height * width; }
    long numbers() const { return pixels() * channels; }
    long at(long b, long y, long x, long c) const { return ((b * height + y) * width + x) * channels + c; }
};

using Numbers = std::vector<double>;

// (mean, 1 / deviation) of every channel.
template <class X>
Numbers norm_by_loops(const X& x, long channels, double eps) {
    const long pixels = long(x.size()) / channels;
    Numbers norm(2 * channels);
    for (long c = 0; c < channels; ++c) {
        double mean = 0, squares = 0;
        for (long p = 0; p < pixels; ++p) mean += x[p * channels + c] / double(pixels);
        for (long p = 0; p < pixels; ++p) squares += std::pow(x[p * channels + c] - mean, 2) / double(pixels);
        norm[c] = mean, norm[channels + c] = 1 / std::sqrt(squares + eps);
    }
    return norm;
}

template <class X>
Numbers normed(const X& x, const Numbers& norm) {
    const long channels = long(norm.size()) / 2;
    Numbers out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out[i] = (x[i] - norm[i % channels]) * norm[channels + i % channels];
    return out;
}

// Weights of a batch norm, as many as there are channels.
template <class N, class W>
Numbers weighted(const N& numbers, const W& weight, const W& bias) {
    Numbers out(numbers.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = weight[i % weight.size()] * numbers[i] + bias[i % bias.size()];
    return out;
}

template <class N, class W>
Numbers weighted(const N& numbers, const W& weight) {
    return weighted(numbers, weight, W(weight.size()));
}

// The sums over pixels that the gradients of a batch norm's weight and bias are.
template <class G>
Numbers channel_sums_of(const G& gradient, const Numbers& factor, long channels) {
    Numbers sums(channels);
    for (size_t i = 0; i < gradient.size(); ++i) sums[i % channels] += gradient[i] * factor[i];
    return sums;
}

// The gradient of a batch norm's input, from that of its output.
template <class X>
Numbers through_norm(const X& x, const Numbers& norm, const Numbers& gradient) {
    const long channels = long(norm.size()) / 2, pixels = long(x.size()) / channels;
    const Numbers out = normed(x, norm);
    Numbers mean(channels), product(channels), back(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        mean[i % channels] += gradient[i] / double(pixels);
        product[i % channels] += gradient[i] * out[i] / double(pixels);
    }
    for (size_t i = 0; i < x.size(); ++i)
        back[i] = norm[channels + i % channels] * (gradient[i] - mean[i % channels] - out[i] * product[i % channels]);
    return back;
}

// a * gradient + b * x + d per channel: what the kernels say of a gradient.
template <class C, class G, class X>
Numbers combined(const C& abd, const G& gradient, const X& x) {
    const long channels = long(abd.size()) / 3;
    Numbers out(gradient.size());
    for (size_t i = 0; i < out.size(); ++i) {
        const long c = i % channels;
        out[i] = abd[c] * gradient[i] + abd[channels + c] * x[i] + abd[2 * channels + c];
    }
    return out;
}

template <class T>
Numbers wide(const std::vector<T>& numbers) {
    return Numbers(numbers.begin(), numbers.end());
}

template <class T>
std::vector<T> narrow(const Numbers& numbers) {
    return std::vector<T>(numbers.begin(), numbers.end());
}

// Calls body(out pixel, in pixel, tap) for every tap of every window that lies in the picture.
void taps_of(const Window& w, const std::function<void(long, long, long)>& body) {
    for (long b = 0; b < w.pictures; ++b)
        for (long y = 0; y < w.out_height(); ++y)
            for (long x = 0; x < w.out_width(); ++x)
                for (long tap = 0; tap < w.kernel * w.kernel; ++tap) {
                    const long from_y = y * w.stride - w.pad() + tap / w.kernel * w.dilation;
                    const long from_x = x * w.stride - w.pad() + tap % w.kernel * w.dilation;
                    if (from_y < 0 || from_y >= w.height || from_x < 0 || from_x >= w.width) continue;
                    body((b * w.out_height() + y) * w.out_width() + x, (b * w.height + from_y) * w.width + from_x, tap);
                }
}


// The exported functions of a type.
template <class T>
struct Exported;
#define DADARTS_EXPORTED(T, suffix)                                              \
    template <>                                                                  \
    struct Exported<T> {                                                         \
        static constexpr auto unit_forward = ::unit_forward_##suffix;            \
        static constexpr auto unit_backward = ::unit_backward_##suffix;          \
        static constexpr auto project_forward = ::project_forward_##suffix;      \
        static constexpr auto project_backward = ::project_backward_##suffix;    \
        static constexpr auto norm_of = ::norm_of_##suffix;                      \
        static constexpr auto mix = ::mix_##suffix;                              \
        static constexpr auto join_forward = ::join_forward_##suffix;            \
        static constexpr auto join_backward = ::join_backward_##suffix;          \
        static constexpr auto dense_forward = ::dense_forward_##suffix;          \
        static constexpr auto dense_backward = ::dense_backward_##suffix;        \
        static constexpr auto node_forward = ::node_forward_##suffix;            \
        static constexpr auto node_backward = ::node_backward_##suffix;          \
        static constexpr auto spread = ::spread_##suffix;                        \
        static constexpr auto activate = ::activate_##suffix;                    \
        static constexpr auto rectify_back = ::rectify_back_##suffix;            \
        static constexpr auto through_norms = ::through_norms_##suffix;          \
        static constexpr auto affine = ::affine_##suffix;                        \
        static constexpr auto average_forward = ::average_forward_##suffix;      \
        static constexpr auto average_backward = ::average_backward_##suffix;    \
        static constexpr auto maximum_forward = ::maximum_forward_##suffix;      \
        static constexpr auto maximum_backward = ::maximum_backward_##suffix;    \
    };
DADARTS_EXPORTED(float, f32)
DADARTS_EXPORTED(double, f64)

constexpr double kEps = 1e-5;

// What stands before a unit: no norm, one without weights, as in a supernet, or one with.
enum class Before { kNothing, kNorm, kWeights };

template <class T>
void check_unit(const Window& w, Before before, int threads, Distance& forward, Distance& backward) {
    const bool is_normed = before != Before::kNothing, has_weights = before == Before::kWeights;
    const long channels = w.channels;
    const Sizes in{w.pictures, channels, w.height, w.width}, out{w.pictures, channels, w.out_height(), w.out_width()};
    const long taps = w.kernel * w.kernel;
    const auto x = normal<T>(in.numbers()), depthwise = normal<T>(channels * taps);
    const auto pointwise = normal<T>(channels * channels), gradient = normal<T>(out.numbers());
    const auto abd = normal<T>(3 * channels);
    const auto norm = narrow<T>(norm_by_loops(x, channels, kEps));
    const auto weight = normal<T>(channels), bias = normal<T>(channels), keep = normal<T>(w.pictures);
    const Norm<T> given{is_normed ? norm.data() : nullptr, has_weights ? weight.data() : nullptr,
                        has_weights ? bias.data() : nullptr};

    const Numbers plain = is_normed ? normed(x, wide(norm)) : wide(x);
    const Numbers z = has_weights ? weighted(plain, weight, bias) : plain;
    Numbers inner(out.numbers()), y(out.numbers());
    taps_of(w, [&](long to, long from, long tap) {
        for (long c = 0; c < channels; ++c)
            inner[to * channels + c] += depthwise[c * taps + tap] * std::max(0.0, z[from * channels + c]);
    });
    for (long p = 0; p < out.pixels(); ++p)
        for (long o = 0; o < channels; ++o)
            for (long i = 0; i < channels; ++i)
                y[p * channels + o] += pointwise[o * channels + i] * inner[p * channels + i];

    std::vector<T> found(out.numbers()), out_norm(2 * channels), variance(channels);
    Exported<T>::unit_forward(&w, x.data(), &given, depthwise.data(), pointwise.data(), kEps, found.data(),
                              out_norm.data(), variance.data(), threads);
    forward.add(found, y);
    forward.add(out_norm, norm_by_loops(y, channels, kEps));
    Numbers expected_variance(channels);
    const Numbers own = norm_by_loops(y, channels, 0);
    for (long c = 0; c < channels; ++c) expected_variance[c] = std::pow(own[channels + c], -2);
    forward.add(variance, expected_variance);

    // keep * a * gradient + b * y + d, where a path drops out picture by picture.
    Numbers kept = wide(gradient);
    if (has_weights)
        for (size_t i = 0; i < kept.size(); ++i) kept[i] *= keep[i / (kept.size() / w.pictures)];
    const Numbers y_grad = combined(abd, kept, found);
    const Source<T> source{gradient.data(), found.data(), abd.data(), has_weights ? keep.data() : nullptr};
    Numbers inner_grad(out.numbers()), z_grad(in.numbers()), depthwise_grad(channels * taps);
    Numbers pointwise_grad(channels * channels);
    for (long p = 0; p < out.pixels(); ++p)
        for (long o = 0; o < channels; ++o)
            for (long i = 0; i < channels; ++i) {
                inner_grad[p * channels + i] += pointwise[o * channels + i] * y_grad[p * channels + o];
                pointwise_grad[o * channels + i] += y_grad[p * channels + o] * inner[p * channels + i];
            }
    taps_of(w, [&](long to, long from, long tap) {
        for (long c = 0; c < channels; ++c) {
            const double value = z[from * channels + c], back = inner_grad[to * channels + c];
            depthwise_grad[c * taps + tap] += back * std::max(0.0, value);
            if (value > 0) z_grad[from * channels + c] += depthwise[c * taps + tap] * back;
        }
    });
    for (const bool accumulate : {false, true}) {
        // What is there already is added to where the input stands before no norm.
        if (accumulate && is_normed) continue;
        const auto there = normal<T>(in.numbers());
        std::vector<T> x_grad = there, of_depthwise(channels * taps), of_pointwise(channels * channels);
        std::vector<T> coefficients(3 * channels), of_weight(channels), of_bias(channels);
        const NormGrads<T> grads{has_weights ? of_weight.data() : nullptr, has_weights ? of_bias.data() : nullptr};
        Exported<T>::unit_backward(&w, x.data(), &given, depthwise.data(), pointwise.data(), &source, accumulate,
                                   x_grad.data(), of_depthwise.data(), of_pointwise.data(),
                                   is_normed ? coefficients.data() : nullptr, &grads, threads);
        backward.add(of_depthwise, depthwise_grad);
        backward.add(of_pointwise, pointwise_grad);
        Numbers expected = z_grad;
        if (accumulate)
            for (size_t i = 0; i < expected.size(); ++i) expected[i] += there[i];
        backward.add(x_grad, expected);
        if (!is_normed) continue;
        const Numbers behind = has_weights ? weighted(z_grad, weight) : z_grad;
        backward.add(combined(coefficients, x_grad, x), through_norm(x, wide(norm), behind));
        if (!has_weights) continue;
        backward.add(of_weight, channel_sums_of(z_grad, plain, channels));
        backward.add(of_bias, channel_sums_of(z_grad, Numbers(z_grad.size(), 1), channels));
    }
}

// Calls body(output number, input number, weight) for all that belong together in a projection.
void products_of(const Projection& p, const std::function<void(long, long, long)>& body) {
    const Sizes in{p.pictures, p.in, p.height, p.width}, out{p.pictures, p.out, p.out_height(), p.out_width()};
    for (long b = 0; b < out.pictures; ++b)
        for (long y = 0; y < out.height; ++y)
            for (long z = 0; z < out.width; ++z)
                for (long o = 0; o < p.out; ++o) {
                    const long offset = p.stride == 2 && o >= p.out / 2;
                    const long from_y = y * p.stride + offset, from_z = z * p.stride + offset;
                    if (from_y >= in.height || from_z >= in.width) continue;
                    for (long i = 0; i < p.in; ++i)
                        body(out.at(b, y, z, o), in.at(b, from_y, from_z, i), o * p.in + i);
                }
}

template <class T>
void check_projection(const Sizes& in, long channels, long stride, bool is_normed, int threads, Distance& forward,
                      Distance& backward) {
    const Projection p{in.pictures, in.channels, in.height, in.width, channels, stride};
    const Sizes out{in.pictures, channels, p.out_height(), p.out_width()};
    const auto x = normal<T>(in.numbers()), weight = normal<T>(channels * in.channels);
    const auto gradient = normal<T>(out.numbers());
    Numbers y(out.numbers());
    products_of(p, [&](long to, long from, long w) { y[to] += weight[w] * std::max(0.0, double(x[from])); });
    const Numbers norm = norm_by_loops(y, channels, kEps);

    std::vector<T> found(out.numbers()), out_norm(2 * channels);
    Exported<T>::project_forward(&p, x.data(), weight.data(), kEps, is_normed, found.data(), out_norm.data(), threads);
    forward.add(found, is_normed ? normed(y, norm) : y);
    forward.add(out_norm, norm);

    const Numbers y_grad = is_normed ? through_norm(y, norm, wide(gradient)) : wide(gradient);
    Numbers x_grad(in.numbers()), weight_grad(channels * in.channels);
    products_of(p, [&](long to, long from, long w) {
        if (x[from] <= 0) return;
        x_grad[from] += weight[w] * y_grad[to];
        weight_grad[w] += x[from] * y_grad[to];
    });
    std::vector<T> of_x(in.numbers()), of_weight(channels * in.channels);
    Exported<T>::project_backward(&p, x.data(), weight.data(), gradient.data(), is_normed ? found.data() : nullptr,
                                  is_normed ? out_norm.data() : nullptr, of_x.data(), of_weight.data(), threads);
    backward.add(of_x, x_grad);
    backward.add(of_weight, weight_grad);
}

template <class T>
void check_mix(const Sizes& size, long terms, int threads, Distance& forward, Distance& backward) {
    std::vector<std::vector<T>> x, norms;
    std::vector<const T*> at, norms_at;
    Numbers weights;
    for (long j = 0; j < terms; ++j) {
        x.push_back(normal<T>(size.numbers()));
        norms.push_back(narrow<T>(norm_by_loops(x.back(), size.channels, kEps)));
        weights.push_back(normal<double>(1)[0]);
    }
    Numbers expected(size.numbers());
    std::vector<Numbers> values;
    for (long j = 0; j < terms; ++j) {
        at.push_back(x[j].data());
        norms_at.push_back(j % 2 ? nullptr : norms[j].data());
        values.push_back(j % 2 ? wide(x[j]) : normed(x[j], wide(norms[j])));
        for (size_t i = 0; i < expected.size(); ++i) expected[i] += weights[j] * values[j][i];
    }
    std::vector<T> out(size.numbers());
    Exported<T>::mix(size.pixels(), size.channels, terms, at.data(), norms_at.data(), weights.data(), out.data(),
                     threads);
    forward.add(out, expected);

    const auto gradient = normal<T>(size.numbers());
    Numbers weight_grads(terms);
    std::vector<T> coefficients(terms * 3 * size.channels);
    Exported<T>::through_norms(size.pixels(), size.channels, terms, at.data(), norms_at.data(), weights.data(),
                               gradient.data(), weight_grads.data(), coefficients.data(), threads);
    for (long j = 0; j < terms; ++j) {
        double product = 0;
        Numbers weighted(size.numbers());
        for (size_t i = 0; i < weighted.size(); ++i) {
            product += gradient[i] * values[j][i];
            weighted[i] = weights[j] * gradient[i];
        }
        backward.add(Numbers{weight_grads[j]}, Numbers{product});
        const auto from = coefficients.begin() + j * 3 * size.channels;
        const std::vector<T> abd(from, from + 3 * size.channels);
        const Numbers through = j % 2 ? weighted : through_norm(x[j], wide(norms[j]), weighted);
        backward.add(combined(abd, gradient, x[j]), through);
        std::vector<T> to = normal<T>(size.numbers());
        Numbers sum = combined(abd, gradient, x[j]);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += to[i];
        Exported<T>::affine(size.pixels(), size.channels, gradient.data(), x[j].data(), abd.data(), true, to.data(),
                            threads);
        backward.add(to, sum);
    }
    std::vector<T> norm(2 * size.channels);
    Exported<T>::norm_of(size.pictures, size.height * size.width, size.channels, x[0].data(), kEps, norm.data(),
                         nullptr, threads);
    forward.add(norm, norm_by_loops(x[0], size.channels, kEps));
}

template <class T>
void check_pools(const Window& w, int threads, Distance& forward, Distance& backward) {
    const long channels = w.channels;
    const Sizes in{w.pictures, channels, w.height, w.width}, out{w.pictures, channels, w.out_height(), w.out_width()};
    const auto x = normal<T>(in.numbers()), gradient = normal<T>(out.numbers());
    Numbers count(out.pixels()), average(out.numbers()), largest(out.numbers(), -INFINITY), back(in.numbers());
    std::vector<long> winner(out.numbers());
    taps_of(w, [&](long to, long, long) { count[to] += 1; });
    taps_of(w, [&](long to, long from, long) {
        for (long c = 0; c < channels; ++c) {
            average[to * channels + c] += x[from * channels + c] / count[to];
            back[from * channels + c] += gradient[to * channels + c] / count[to];
            if (x[from * channels + c] > largest[to * channels + c]) {
                largest[to * channels + c] = x[from * channels + c];
                winner[to * channels + c] = from * channels + c;
            }
        }
    });
    const Norm<T> nothing{};
    const Source<T> source{gradient.data(), nullptr, nullptr, nullptr};
    std::vector<T> y(out.numbers()), norm(2 * channels), x_grad(in.numbers());
    Exported<T>::average_forward(&w, x.data(), &nothing, kEps, y.data(), norm.data(), nullptr, threads);
    forward.add(y, average);
    forward.add(norm, norm_by_loops(average, channels, kEps));
    Exported<T>::average_backward(&w, &source, false, x_grad.data(), threads);
    backward.add(x_grad, back);

    std::vector<uint8_t> winners(out.numbers());
    Exported<T>::maximum_forward(&w, x.data(), &nothing, kEps, y.data(), winners.data(), norm.data(), nullptr, threads);
    forward.add(y, largest);
    forward.add(norm, norm_by_loops(largest, channels, kEps));
    for (size_t i = 0; i < winner.size(); ++i) back[winner[i]] += gradient[i];
    // On top of what the average pool has given.
    Exported<T>::maximum_backward(&w, &source, winners.data(), true, x_grad.data(), threads);
    backward.add(x_grad, back);

    // Behind a norm with weights, of which a mean is the mean's, and a maximum that of what they make of the pixels.
    const auto own = narrow<T>(norm_by_loops(x, channels, kEps)), weight = normal<T>(channels), bias = normal<T>(channels);
    const Norm<T> before{own.data(), weight.data(), bias.data()};
    const Numbers z = weighted(normed(x, wide(own)), weight, bias);
    std::fill(average.begin(), average.end(), 0.0);
    std::fill(largest.begin(), largest.end(), -INFINITY);
    taps_of(w, [&](long to, long from, long) {
        for (long c = 0; c < channels; ++c) {
            average[to * channels + c] += z[from * channels + c] / count[to];
            largest[to * channels + c] = std::max(largest[to * channels + c], z[from * channels + c]);
        }
    });
    Exported<T>::average_forward(&w, x.data(), &before, kEps, y.data(), nullptr, nullptr, threads);
    forward.add(y, average);
    Exported<T>::maximum_forward(&w, x.data(), &before, kEps, y.data(), winners.data(), nullptr, nullptr, threads);
    forward.add(y, largest);
}

// A node of a discrete network: terms with norms and without, paths that drop out picture by picture.
template <class T>
void check_node(const Sizes& size, long terms, int threads, Distance& forward, Distance& backward) {
    const long channels = size.channels, pixels = size.height * size.width;
    const auto gradient = normal<T>(size.numbers());
    std::vector<std::vector<T>> x, norms, weights, biases, keeps, coefficients, of_weight, of_bias;
    std::vector<Numbers> plain;
    Numbers sum(size.numbers());
    const auto kept = [&](const std::vector<T>& keep, size_t i) { return keep[i / (pixels * channels)]; };
    for (long j = 0; j < terms; ++j) {
        x.push_back(normal<T>(size.numbers()));
        norms.push_back(narrow<T>(norm_by_loops(x[j], channels, kEps)));
        weights.push_back(normal<T>(channels)), biases.push_back(normal<T>(channels));
        keeps.push_back(normal<T>(size.pictures));
        keeps[j][0] = 0;
        coefficients.emplace_back(3 * channels), of_weight.emplace_back(channels), of_bias.emplace_back(channels);
        plain.push_back(j % 3 == 2 ? wide(x[j]) : normed(x[j], wide(norms[j])));
        const Numbers value = j % 3 == 2 ? plain[j] : weighted(plain[j], weights[j], biases[j]);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += (j % 2 ? kept(keeps[j], i) : 1) * value[i];
    }
    std::vector<Term<T>> given;
    for (long j = 0; j < terms; ++j)
        given.push_back({x[j].data(),
                         j % 3 == 2 ? Norm<T>{} : Norm<T>{norms[j].data(), weights[j].data(), biases[j].data()},
                         j % 2 ? keeps[j].data() : nullptr, coefficients[j].data(),
                         j % 3 == 2 ? NormGrads<T>{} : NormGrads<T>{of_weight[j].data(), of_bias[j].data()}});
    std::vector<T> out(size.numbers());
    Exported<T>::node_forward(size.pictures, pixels, channels, terms, given.data(), out.data(), threads);
    forward.add(out, sum);
    Exported<T>::node_backward(size.pictures, pixels, channels, terms, given.data(), gradient.data(), threads);
    for (long j = 0; j < terms; ++j) {
        Numbers own = wide(gradient);
        if (j % 2)
            for (size_t i = 0; i < own.size(); ++i) own[i] *= kept(keeps[j], i);
        const bool has_norm = j % 3 != 2;
        if (has_norm) {
            backward.add(of_weight[j], channel_sums_of(own, plain[j], channels));
            backward.add(of_bias[j], channel_sums_of(own, Numbers(own.size(), 1), channels));
        }
        const Source<T> source{gradient.data(), x[j].data(), has_norm ? coefficients[j].data() : nullptr,
                               j % 2 ? keeps[j].data() : nullptr};
        Numbers expected = has_norm ? through_norm(x[j], wide(norms[j]), weighted(own, weights[j])) : own;
        for (const bool accumulate : {false, true}) {
            const auto there = normal<T>(size.numbers());
            std::vector<T> to = there;
            Exported<T>::spread(size.pictures, pixels, channels, &source, accumulate, to.data(), threads);
            if (accumulate)
                for (size_t i = 0; i < expected.size(); ++i) expected[i] += there[i];
            backward.add(to, expected);
        }
    }
}

// ReLU behind a norm with weights, and back.
template <class T>
void check_activation(const Sizes& size, int threads, Distance& forward, Distance& backward) {
    const auto x = normal<T>(size.numbers()), gradient = normal<T>(size.numbers());
    const auto norm = narrow<T>(norm_by_loops(x, size.channels, kEps));
    const auto weight = normal<T>(size.channels), bias = normal<T>(size.channels);
    const Norm<T> given{norm.data(), weight.data(), bias.data()};
    const Numbers z = weighted(normed(x, wide(norm)), weight, bias);
    std::vector<T> to(size.numbers());
    Exported<T>::activate(size.pixels(), size.channels, x.data(), &given, false, to.data(), threads);
    forward.add(to, z);
    Numbers rectified = z, passed = wide(gradient);
    for (size_t i = 0; i < z.size(); ++i) rectified[i] = std::max(0.0, z[i]), passed[i] *= z[i] > 0;
    Exported<T>::activate(size.pixels(), size.channels, x.data(), &given, true, to.data(), threads);
    forward.add(to, rectified);
    const auto there = normal<T>(size.numbers());
    to = there;
    for (size_t i = 0; i < passed.size(); ++i) passed[i] += there[i];
    Exported<T>::rectify_back(size.pixels(), size.channels, x.data(), &given, gradient.data(), true, to.data(), threads);
    backward.add(to, passed);
}

// A projection of several states behind their norms, read as if they were concatenated.
template <class T>
void check_join(const Sizes& first, long states, long channels, long stride, bool rectify, int threads,
                Distance& forward, Distance& backward) {
    const Sizes in{first.pictures, states * first.channels, first.height, first.width};
    const Projection p{in.pictures, in.channels, in.height, in.width, channels, stride};
    const Sizes out{in.pictures, channels, p.out_height(), p.out_width()};
    const auto weight = normal<T>(channels * in.channels), gradient = normal<T>(out.numbers());
    const auto abd = normal<T>(3 * channels), keep = normal<T>(in.pictures);
    std::vector<std::vector<T>> x, norms, weights, biases, grads;
    std::vector<Part<T>> parts;
    Numbers joined(in.numbers());
    for (long q = 0; q < states; ++q) {
        x.push_back(normal<T>(first.numbers()));
        norms.push_back(narrow<T>(norm_by_loops(x[q], first.channels, kEps)));
        weights.push_back(normal<T>(first.channels)), biases.push_back(normal<T>(first.channels));
        grads.push_back(normal<T>(first.numbers()));
        const Numbers z = q == 1 ? wide(x[q]) : weighted(normed(x[q], wide(norms[q])), weights[q], biases[q]);
        for (long i = 0; i < first.numbers(); ++i)
            joined[i / first.channels * in.channels + q * first.channels + i % first.channels] = z[i];
    }
    const auto there = grads;
    for (long q = 0; q < states; ++q)
        parts.push_back({x[q].data(),
                         q == 1 ? Norm<T>{} : Norm<T>{norms[q].data(), weights[q].data(), biases[q].data()},
                         first.channels, grads[q].data(), q == 1});
    const auto active = [&](long from) { return rectify ? std::max(0.0, joined[from]) : joined[from]; };
    Numbers y(out.numbers());
    products_of(p, [&](long to, long from, long w) { y[to] += weight[w] * active(from); });
    std::vector<T> found(out.numbers()), norm(2 * channels), variance(channels);
    Exported<T>::join_forward(&p, parts.data(), states, rectify, weight.data(), kEps, found.data(), norm.data(),
                              variance.data(), threads);
    forward.add(found, y);
    forward.add(norm, norm_by_loops(y, channels, kEps));

    Numbers kept = wide(gradient);
    for (size_t i = 0; i < kept.size(); ++i) kept[i] *= keep[i / (kept.size() / in.pictures)];
    const Numbers y_grad = combined(abd, kept, found);
    Numbers joined_grad(in.numbers()), weight_grad(weight.size());
    products_of(p, [&](long to, long from, long w) {
        weight_grad[w] += active(from) * y_grad[to];
        if (!rectify || joined[from] > 0) joined_grad[from] += weight[w] * y_grad[to];
    });
    const Source<T> source{gradient.data(), found.data(), abd.data(), keep.data()};
    std::vector<T> of_weight(weight.size());
    Exported<T>::join_backward(&p, parts.data(), states, rectify, weight.data(), &source, of_weight.data(), threads);
    backward.add(of_weight, weight_grad);
    for (long q = 0; q < states; ++q) {
        Numbers expected(first.numbers());
        for (long i = 0; i < first.numbers(); ++i)
            expected[i] = joined_grad[i / first.channels * in.channels + q * first.channels + i % first.channels] +
                          (q == 1 ? double(there[q][i]) : 0.0);
        backward.add(grads[q], expected);
    }
}

// A 3x3 convolution between all channels.
template <class T>
void check_dense(const Dense& dense, bool rectify, int threads, Distance& forward, Distance& backward) {
    const Window w{dense.pictures, dense.in, dense.height, dense.width, 3, 1, 1};
    const long pixels = dense.pictures * dense.height * dense.width, n = dense.in, m = dense.out;
    const auto x = normal<T>(pixels * n), weight = normal<T>(m * n * 9), gradient = normal<T>(pixels * m);
    const auto gain = normal<T>(n), bias = normal<T>(n), abd = normal<T>(3 * m), keep = normal<T>(dense.pictures);
    const auto norm = narrow<T>(norm_by_loops(x, n, kEps));
    const Norm<T> given{norm.data(), gain.data(), bias.data()};
    const Numbers z = weighted(normed(x, wide(norm)), gain, bias);
    const auto active = [&](long i) { return rectify ? std::max(0.0, z[i]) : z[i]; };
    Numbers y(pixels * m);
    taps_of(w, [&](long to, long from, long tap) {
        for (long o = 0; o < m; ++o)
            for (long i = 0; i < n; ++i) y[to * m + o] += weight[(o * n + i) * 9 + tap] * active(from * n + i);
    });
    std::vector<T> found(pixels * m), out_norm(2 * m), variance(m);
    Exported<T>::dense_forward(&dense, x.data(), &given, rectify, weight.data(), kEps, found.data(), out_norm.data(),
                               variance.data(), threads);
    forward.add(found, y);
    forward.add(out_norm, norm_by_loops(y, m, kEps));

    Numbers kept = wide(gradient), z_grad(pixels * n), weight_grad(weight.size());
    for (size_t i = 0; i < kept.size(); ++i) kept[i] *= keep[i / (kept.size() / dense.pictures)];
    const Numbers y_grad = combined(abd, kept, found);
    taps_of(w, [&](long to, long from, long tap) {
        for (long o = 0; o < m; ++o)
            for (long i = 0; i < n; ++i) {
                weight_grad[(o * n + i) * 9 + tap] += active(from * n + i) * y_grad[to * m + o];
                if (!rectify || z[from * n + i] > 0)
                    z_grad[from * n + i] += weight[(o * n + i) * 9 + tap] * y_grad[to * m + o];
            }
    });
    const Source<T> source{gradient.data(), found.data(), abd.data(), keep.data()};
    for (const bool accumulate : {false, true}) {
        const auto there = normal<T>(pixels * n);
        std::vector<T> x_grad = there, of_weight(weight.size());
        Exported<T>::dense_backward(&dense, x.data(), &given, rectify, weight.data(), &source, accumulate,
                                    x_grad.data(), of_weight.data(), threads);
        backward.add(of_weight, weight_grad);
        Numbers expected = z_grad;
        if (accumulate)
            for (size_t i = 0; i < expected.size(); ++i) expected[i] += there[i];
        backward.add(x_grad, expected);
    }
}

template <class T>
bool told(const char* kernel, const Distance& distance) {
    const bool holds = distance.largest < Names<T>::tolerance;
    std::printf("%-20s %-7s %.1e %s\n", kernel, Names<T>::name, distance.largest, holds ? "held" : "FAILED");
    return holds;
}

template <class T>
bool check() {
    Distance unit[2], projection[2], mixed[2], pools[2], node[2], activation[2], joined[2], dense[2];
    for (const long channels : {1, 3, 8, 10, 16, 36})
        for (const int threads : {1, 2}) {
            for (const bool rectify : {false, true})
                check_dense<T>({2, channels, channels == 10 ? 6 : 2 * channels, 7, 9}, rectify, threads, dense[0],
                               dense[1]);
            for (const long stride : {1, 2}) {
                for (const long kernel : {3, 5})
                    for (const long dilation : {1, 2})
                        for (const Before before : {Before::kNothing, Before::kNorm, Before::kWeights})
                            check_unit<T>({2, channels, 7, 9, kernel, dilation, stride}, before, threads, unit[0],
                                          unit[1]);
                for (const bool is_normed : {false, true})
                    check_projection<T>({2, channels, 7, 6}, channels == 10 ? 6 : 2 * channels, stride, is_normed,
                                        threads, projection[0], projection[1]);
                check_pools<T>({2, channels, 7, 9, 3, 1, stride}, threads, pools[0], pools[1]);
                check_mix<T>({3, channels, 5, 7}, 3 + 2 * stride, threads, mixed[0], mixed[1]);
                check_node<T>({3, channels, 5, 7}, 2 + 2 * stride, threads, node[0], node[1]);
                check_activation<T>({3, channels, 5, 7}, threads, activation[0], activation[1]);
                for (const bool rectify : {false, true})
                    for (const long states : {1, 3})
                        check_join<T>({2, channels, 7, 6}, states, channels == 10 ? 6 : 2 * channels, stride, rectify,
                                      threads, joined[0], joined[1]);
            }
        }
    bool holds = true;
    holds &= told<T>("unit forward", unit[0]);
    holds &= told<T>("unit backward", unit[1]);
    holds &= told<T>("projection forward", projection[0]);
    holds &= told<T>("projection backward", projection[1]);
    holds &= told<T>("pools forward", pools[0]);
    holds &= told<T>("pools backward", pools[1]);
    holds &= told<T>("mix, norms forward", mixed[0]);
    holds &= told<T>("mix backward", mixed[1]);
    holds &= told<T>("node forward", node[0]);
    holds &= told<T>("node backward", node[1]);
    holds &= told<T>("activation forward", activation[0]);
    holds &= told<T>("activation backward", activation[1]);
    holds &= told<T>("join forward", joined[0]);
    holds &= told<T>("join backward", joined[1]);
    holds &= told<T>("dense forward", dense[0]);
    holds &= told<T>("dense backward", dense[1]);
    return holds;
}

}  // namespace

int main() {
    const bool holds = check<float>() & check<double>();
    std::printf("vectors of %d bytes\n", kVectorBytes);
    return holds ? 0 : 1;
}
