// Replaces `new` for the whole test program; apart from its users, so that the compiler does not see through it.
#include "tests/unit/rules/allocations.h"

#include <cstdlib>
#include <new>

namespace {
[[maybe_unused]] size_t made = 0;
}

size_t allocations_made() { return made; }

// The sanitizers bring their own and want all of them or none; there the count stays 0.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHRIKE_OWN_NEW 0
#endif
#endif
#if !defined(SHRIKE_OWN_NEW) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(size_t size) {
  ++made;
  if (void* at = std::malloc(size)) return at;
  throw std::bad_alloc();
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, size_t) noexcept { std::free(at); }
#endif
