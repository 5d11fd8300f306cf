// The supernet's hot spots on a CPU, forward and backward, in float and double.
//
// Pictures are NHWC ("channels_last"): a row of W pixels is W * C numbers in a row, and a tap of a depthwise kernel is
// the same row shifted by a multiple of C. Coefficients of one per channel are repeated to a tile whose length is a
// multiple of both C and the vector width, so that every loop over a row is one over vectors, whatever C is.
//
// Every sum over pictures is taken per thread over a fixed share of them and then over threads in order: the same
// number of threads gives the same bits.

#include "mix.hpp"
#include "pool.hpp"
#include "projection.hpp"
#include "unit.hpp"

#define DADARTS_EXPORT(T, suffix)                                                                                      \
    extern "C" void unit_forward_##suffix(const Window* window, const T* x, const T* norm, const T* depthwise,         \
                                          const T* pointwise, double eps, T* y, T* out_norm, int threads) {            \
        (window->kernel == 3 ? unit_forward<T, 3> : unit_forward<T, 5>)(*window, x, norm, depthwise, pointwise, eps,   \
                                                                        y, out_norm, threads);                         \
    }                                                                                                                  \
    extern "C" void unit_backward_##suffix(const Window* window, const T* x, const T* norm, const T* depthwise,        \
                                           const T* pointwise, const T* gradient, const T* y, const T* coefficients,   \
                                           bool accumulate, T* x_grad, T* depthwise_grad, T* pointwise_grad,           \
                                           T* x_coefficients, int threads) {                                           \
        (window->kernel == 3 ? unit_backward<T, 3> : unit_backward<T, 5>)(                                             \
            *window, x, norm, depthwise, pointwise, gradient, y, coefficients, accumulate, x_grad, depthwise_grad,     \
            pointwise_grad, x_coefficients, threads);                                                                  \
    }                                                                                                                  \
    extern "C" void project_forward_##suffix(const Projection* p, const T* x, const T* weight, double eps, bool normed,\
                                             T* y, T* norm, int threads) {                                             \
        project_forward<T>(*p, x, weight, eps, normed, y, norm, threads);                                              \
    }                                                                                                                  \
    extern "C" void project_backward_##suffix(const Projection* p, const T* x, const T* weight, const T* gradient,     \
                                              const T* value, const T* norm, T* x_grad, T* weight_grad,                \
                                              int threads) {                                                           \
        project_backward<T>(*p, x, weight, gradient, value, norm, x_grad, weight_grad, threads);                       \
    }                                                                                                                  \
    extern "C" void norm_of_##suffix(long pictures, long pixels, long channels, const T* x, double eps, T* norm,       \
                                     int threads) {                                                                    \
        norm_of<T>(pictures, pixels, channels, x, eps, norm, threads);                                                 \
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
