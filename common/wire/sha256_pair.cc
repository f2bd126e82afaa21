#include "common/wire/sha256_pair.h"

#include <cstring>

#include "common/base/bytes.h"
#include "common/wire/sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace shrike {
namespace {
void one_by_one(char prefix, std::string_view first, std::string_view second, Digest& of_first, Digest& of_second) {
  of_first = Sha256().add({&prefix, 1}).add(first).finish();
  of_second = Sha256().add({&prefix, 1}).add(second).finish();
}

#if defined(__x86_64__)
constexpr size_t block_bytes = 64;
constexpr size_t message_max = 1024;  // longer ones are left to OpenSSL: there is nothing to gain on them

// FIPS 180-4, 4.2.2.
alignas(16) constexpr uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// prefix || message || padding (FIPS 180-4, 5.1.1).
struct Padded {
  alignas(16) unsigned char bytes[message_max + 2 * block_bytes];
  size_t blocks = 0;

  Padded(char prefix, std::string_view message) {
    const size_t size = 1 + message.size();
    blocks = (size + 9 + block_bytes - 1) / block_bytes;
    bytes[0] = static_cast<unsigned char>(prefix);
    std::memcpy(bytes + 1, message.data(), message.size());
    bytes[size] = 0x80;
    std::memset(bytes + size + 1, 0, blocks * block_bytes - size - 1);
    store_le(bytes + blocks * block_bytes - 8, __builtin_bswap64(uint64_t{size} * 8));
  }
};

/// The chaining value as the instructions want it: words A B E F and C D G H, from the highest.
struct State {
  __m128i abef;
  __m128i cdgh;
};

#define SHRIKE_SHA __attribute__((target("sha,sse4.1"), always_inline)) inline

SHRIKE_SHA State initial() {
  // FIPS 180-4, 5.3.3.
  return {_mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f, static_cast<int>(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

SHRIKE_SHA __m128i big_endian(__m128i words) {
  return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

/// One block of each of `lanes` messages. FIPS 180-4, 6.2.2, four rounds at a time; the lanes' loops are unrolled, so
/// that their instructions alternate.
template <size_t lanes>
SHRIKE_SHA void compress(State (&state)[lanes], const unsigned char* const (&block)[lanes]) {
  __m128i schedule[lanes][4];
  State now[lanes];
  for (size_t lane = 0; lane < lanes; ++lane) {
    now[lane] = state[lane];
    for (size_t i = 0; i < 4; ++i)
      schedule[lane][i] = big_endian(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block[lane] + 16 * i)));
  }
#pragma GCC unroll 16
  for (size_t four = 0; four < 16; ++four) {
    const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants + 4 * four));
#pragma GCC unroll 2
    for (size_t lane = 0; lane < lanes; ++lane) {
      __m128i(&w)[4] = schedule[lane];
      const __m128i words = _mm_add_epi32(w[four % 4], constants);
      now[lane].cdgh = _mm_sha256rnds2_epu32(now[lane].cdgh, now[lane].abef, words);
      now[lane].abef = _mm_sha256rnds2_epu32(now[lane].abef, now[lane].cdgh, _mm_shuffle_epi32(words, 0x0e));
      if (four >= 12) continue;
      const __m128i& third = w[(four + 2) % 4];
      const __m128i& last = w[(four + 3) % 4];
      __m128i next = _mm_sha256msg1_epu32(w[four % 4], w[(four + 1) % 4]);
      next = _mm_add_epi32(next, _mm_alignr_epi8(last, third, 4));
      w[four % 4] = _mm_sha256msg2_epu32(next, last);
    }
  }
  for (size_t lane = 0; lane < lanes; ++lane) {
    state[lane].abef = _mm_add_epi32(state[lane].abef, now[lane].abef);
    state[lane].cdgh = _mm_add_epi32(state[lane].cdgh, now[lane].cdgh);
  }
}

SHRIKE_SHA void store(const State& state, Digest& digest) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);
  auto* to = reinterpret_cast<__m128i*>(digest.data());
  _mm_storeu_si128(to, big_endian(_mm_blend_epi16(feba, dchg, 0xf0)));
  _mm_storeu_si128(to + 1, big_endian(_mm_alignr_epi8(dchg, feba, 8)));
}

__attribute__((target("sha,sse4.1"))) void together(const Padded& first, const Padded& second, Digest& of_first,
                                                    Digest& of_second) {
  State state[2] = {initial(), initial()};
  size_t done = 0;
  for (; done < std::min(first.blocks, second.blocks); ++done)
    compress<2>(state, {first.bytes + done * block_bytes, second.bytes + done * block_bytes});
  const size_t longer = first.blocks > second.blocks ? 0 : 1;
  const Padded& rest = longer == 0 ? first : second;
  State alone[1] = {state[longer]};
  for (; done < rest.blocks; ++done) compress<1>(alone, {rest.bytes + done * block_bytes});
  state[longer] = alone[0];
  store(state[0], of_first);
  store(state[1], of_second);
}

bool has_sha_extensions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSE4_1) == 0) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}
#endif
}  // namespace

void sha256_pair(char prefix, std::string_view first, std::string_view second, Digest& of_first, Digest& of_second) {
#if defined(__x86_64__)
  static const bool extensions = has_sha_extensions();
  if (extensions && std::max(first.size(), second.size()) <= message_max)
    return together(Padded(prefix, first), Padded(prefix, second), of_first, of_second);
#endif
  one_by_one(prefix, first, second, of_first, of_second);
}

}  // namespace shrike
