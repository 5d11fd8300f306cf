// A digest of weights: other numbers, other digests, whoever changed them and however.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

// With either argument given it is one to one in the other, so that a change in one word cannot be lost.
inline uint64_t mixed(uint64_t digest, uint64_t word) {
    digest = (digest ^ word) * 0x9E3779B97F4A7C15u;
    return digest ^ digest >> 32;
}

// Of some pieces of memory, each of so many bytes. Independent lanes keep the multiplier busy.
inline uint64_t digest_of(const void* const* pieces, const long* bytes, long count) {
    constexpr long kLanes = 16, kWord = sizeof(uint64_t);
    uint64_t lanes[kLanes] = {}, words[kLanes];
    for (long piece = 0; piece < count; ++piece) {
        const char *at = static_cast<const char*>(pieces[piece]), *end = at + bytes[piece];
        for (; end - at >= long(sizeof(words)); at += sizeof(words)) {
            std::memcpy(words, at, sizeof(words));
            for (long i = 0; i < kLanes; ++i) lanes[i] = mixed(lanes[i], words[i]);
        }
        for (long i = 0; at < end; at += kWord, ++i) {
            uint64_t word = 0;
            std::memcpy(&word, at, std::min(kWord, long(end - at)));
            lanes[i] = mixed(lanes[i], word);
        }
    }
    uint64_t all = 0;
    for (const uint64_t lane : lanes) all = mixed(all, lane);
    return all;
}

}  // namespace
