// Vectors, rows and shares: what every kernel is written in.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
// SSE2 and Arm's NEON.
constexpr int kVectorBytes = 16;
#endif

#define DADARTS_INLINE __attribute__((always_inline))

// Keeps a vector in a register, where compilers would load it once more for every use.
#if defined(__AVX__)
#define DADARTS_KEEP(value) asm("" : "+v"(value))
#elif defined(__aarch64__)
#define DADARTS_KEEP(value) asm("" : "+w"(value))
#else
#define DADARTS_KEEP(value)
#endif

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

// A number in every place of a vector.
template <class T>
inline typename Simd<T>::vector broadcast(T value) {
    return value - typename Simd<T>::vector{};
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

// Calls body(0), body(1), ..., body(N - 1) with constants, so that arrays they index stay in registers.
template <class Body, int... I>
DADARTS_INLINE inline void unrolled(std::integer_sequence<int, I...>, Body body) {
    (body(std::integral_constant<int, I>()), ...);
}
template <int N, class Body>
DADARTS_INLINE inline void unrolled(Body body) {
    unrolled(std::make_integer_sequence<int, N>(), body);
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
        for (int share = thread; share < threads; share += team)
            body(share, n * share / threads, n * (share + 1) / threads);
    }
}

}  // namespace
