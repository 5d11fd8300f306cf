// A network's predictions on a CPU, in float and double.

#include "digest.hpp"
#include "predict.hpp"

#define DADARTS_EXPORT(T, suffix)                                                                                      \
    extern "C" long width_##suffix() { return Simd<T>::width; }                                                        \
    extern "C" long scratch_##suffix(const Step* program, long steps) { return scratch_of<T>(program, steps); }        \
    extern "C" void predict_##suffix(const Step* program, long steps, const T* constants, const Outside* outsides,     \
                                     long pictures, T* arenas, long size, int threads) {                               \
        predict<T>(program, steps, constants, outsides, pictures, arenas, size, threads);                              \
    }

DADARTS_EXPORT(float, f32)
DADARTS_EXPORT(double, f64)

extern "C" uint64_t digest(const void* const* pieces, const long* bytes, long count) {
    return digest_of(pieces, bytes, count);
}
