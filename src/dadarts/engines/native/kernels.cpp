// The hot spots of supernets and networks on a CPU, forward and backward, in float and double.
//
// Pictures are NHWC ("channels_last"): a row of W pixels is W * C numbers in a row, and a tap of a depthwise kernel is
// the same row shifted by a multiple of C. Coefficients of one per channel are repeated to a tile whose length is a
// multiple of both C and the vector width, so that every loop over a row is one over vectors, whatever C is.
//
// Every sum over pictures is taken per thread over a fixed share of them and then over threads in order: the same
// number of threads gives the same bits.

#include "dense.hpp"
#include "joined.hpp"
#include "mix.hpp"
#include "node.hpp"
#include "pool.hpp"
#include "projection.hpp"
#include "unit.hpp"
#include "winograd.hpp"

#define DADARTS_EXPORT(T, suffix)                                                                                      \
    extern "C" void unit_forward_##suffix(const Window* window, const T* x, const Norm<T>* norm, const T* depthwise,   \
                                          const T* pointwise, double eps, T* y, T* out_norm, T* variance,              \
                                          int threads) {                                                               \
        (window->kernel == 3 ? unit_forward<T, 3> : unit_forward<T, 5>)(*window, x, *norm, depthwise, pointwise, eps,  \
                                                                        y, out_norm, variance, threads);               \
    }                                                                                                                  \
    extern "C" void unit_backward_##suffix(const Window* window, const T* x, const Norm<T>* norm, const T* depthwise,  \
                                           const T* pointwise, const Source<T>* source, bool accumulate, T* x_grad,    \
                                           T* depthwise_grad, T* pointwise_grad, T* x_coefficients,                    \
                                           const NormGrads<T>* grads, int threads) {                                   \
        (window->kernel == 3 ? unit_backward<T, 3> : unit_backward<T, 5>)(                                             \
            *window, x, *norm, depthwise, pointwise, *source, accumulate, x_grad, depthwise_grad, pointwise_grad,      \
            x_coefficients, *grads, threads);                                                                          \
    }                                                                                                                  \
    extern "C" void project_forward_##suffix(const Projection* p, const T* x, const T* weight, double eps, bool normed, \
                                             T* y, T* norm, int threads) {                                             \
        project_forward<T>(*p, x, weight, eps, normed, y, norm, threads);                                              \
    }                                                                                                                  \
    extern "C" void project_backward_##suffix(const Projection* p, const T* x, const T* weight, const T* gradient,     \
                                              const T* value, const T* norm, T* x_grad, T* weight_grad,                \
                                              int threads) {                                                           \
        project_backward<T>(*p, x, weight, gradient, value, norm, x_grad, weight_grad, threads);                       \
    }                                                                                                                  \
    extern "C" void join_forward_##suffix(const Projection* p, const Part<T>* parts, long count, bool rectify,         \
                                          const T* weight, double eps, T* y, T* norm, T* variance, int threads) {      \
        join_forward<T>(*p, parts, count, rectify, weight, eps, y, norm, variance, threads);                           \
    }                                                                                                                  \
    extern "C" void join_backward_##suffix(const Projection* p, const Part<T>* parts, long count, bool rectify,        \
                                           const T* weight, const Source<T>* source, T* weight_grad, int threads) {    \
        join_backward<T>(*p, parts, count, rectify, weight, *source, weight_grad, threads);                            \
    }                                                                                                                  \
    extern "C" void dense_forward_##suffix(const Dense* dense, const T* x, const Norm<T>* norm, bool rectify,          \
                                           const T* weight, double eps, T* y, T* out_norm, T* variance, int threads) { \
        (is_tiled<T>(*dense) ? tiled_forward<T> : dense_forward<T>)(*dense, x, *norm, rectify, weight, eps, y,         \
                                                                    out_norm, variance, threads);                      \
    }                                                                                                                  \
    extern "C" void dense_backward_##suffix(const Dense* dense, const T* x, const Norm<T>* norm, bool rectify,         \
                                            const T* weight, const Source<T>* source, bool accumulate, T* x_grad,      \
                                            T* weight_grad, int threads) {                                             \
        (is_tiled<T>(*dense) ? tiled_backward<T> : dense_backward<T>)(*dense, x, *norm, rectify, weight, *source,      \
                                                                      accumulate, x_grad, weight_grad, threads);       \
    }                                                                                                                  \
    extern "C" void norm_of_##suffix(long pictures, long pixels, long channels, const T* x, double eps, T* norm,       \
                                     T* variance, int threads) {                                                       \
        norm_of<T>(pictures, pixels, channels, x, eps, norm, variance, threads);                                       \
    }                                                                                                                  \
    extern "C" void mix_##suffix(long pixels, long channels, long terms, const T* const* x, const T* const* norms,     \
                                 const double* weights, T* out, int threads) {                                         \
        mix<T>(pixels, channels, terms, x, norms, weights, out, threads);                                              \
    }                                                                                                                  \
    extern "C" void through_norms_##suffix(long pixels, long channels, long terms, const T* const* x,                  \
                                           const T* const* norms, const double* weights, const T* gradient,            \
                                           double* weight_grads, T* coefficients, int threads) {                       \
        through_norms<T>(pixels, channels, terms, x, norms, weights, gradient, weight_grads, coefficients, threads);   \
    }                                                                                                                  \
    extern "C" void affine_##suffix(long pixels, long channels, const T* gradient, const T* x,                         \
                                    const T* coefficients, bool accumulate, T* to, int threads) {                      \
        affine<T>(pixels, channels, gradient, x, coefficients, accumulate, to, threads);                               \
    }                                                                                                                  \
    extern "C" void node_forward_##suffix(long pictures, long pixels, long channels, long terms, const Term<T>* of,    \
                                          T* out, int threads) {                                                       \
        node_forward<T>(pictures, pixels, channels, terms, of, out, threads);                                          \
    }                                                                                                                  \
    extern "C" void node_backward_##suffix(long pictures, long pixels, long channels, long terms, const Term<T>* of,   \
                                           const T* gradient, int threads) {                                           \
        node_backward<T>(pictures, pixels, channels, terms, of, gradient, threads);                                    \
    }                                                                                                                  \
    extern "C" void spread_##suffix(long pictures, long pixels, long channels, const Source<T>* source,                \
                                    bool accumulate, T* to, int threads) {                                             \
        spread<T>(pictures, pixels, channels, *source, accumulate, to, threads);                                       \
    }                                                                                                                  \
    extern "C" void activate_##suffix(long pixels, long channels, const T* x, const Norm<T>* norm, bool rectify, T* to, \
                                      int threads) {                                                                   \
        activate<T>(pixels, channels, x, *norm, rectify, to, threads);                                                 \
    }                                                                                                                  \
    extern "C" void rectify_back_##suffix(long pixels, long channels, const T* x, const Norm<T>* norm,                 \
                                          const T* gradient, bool accumulate, T* to, int threads) {                    \
        rectify_back<T>(pixels, channels, x, *norm, gradient, accumulate, to, threads);                                \
    }                                                                                                                  \
    extern "C" void average_forward_##suffix(const Window* window, const T* x, const Norm<T>* before, double eps, T* y, \
                                             T* norm, T* variance, int threads) {                                      \
        average_forward<T>(*window, x, *before, eps, y, norm, variance, threads);                                      \
    }                                                                                                                  \
    extern "C" void average_backward_##suffix(const Window* window, const Source<T>* source, bool accumulate,          \
                                              T* x_grad, int threads) {                                                \
        average_backward<T>(*window, *source, accumulate, x_grad, threads);                                            \
    }                                                                                                                  \
    extern "C" void maximum_forward_##suffix(const Window* window, const T* x, const Norm<T>* before, double eps, T* y, \
                                             uint8_t* winners, T* norm, T* variance, int threads) {                    \
        maximum_forward<T>(*window, x, *before, eps, y, winners, norm, variance, threads);                             \
    }                                                                                                                  \
    extern "C" void maximum_backward_##suffix(const Window* window, const Source<T>* source, const uint8_t* winners,   \
                                              bool accumulate, T* x_grad, int threads) {                               \
        maximum_backward<T>(*window, *source, winners, accumulate, x_grad, threads);                                   \
    }

DADARTS_EXPORT(float, f32)
DADARTS_EXPORT(double, f64)
