// Replaces `new` for the whole test program; apart from its users, so that the compiler does not see through it.
#include "tests/unit/rules/allocations.h"

#include <cstdlib>
#include <new>

namespace {
size_t made = 0;
}

size_t allocations_made() { return made; }

void* operator new(size_t size) {
  ++made;
  if (void* at = std::malloc(size)) return at;
  throw std::bad_alloc();
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, size_t) noexcept { std::free(at); }
