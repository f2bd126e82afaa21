#include <charconv>
#include <cstring>

#include "scoring/rules/field.h"

namespace shrike::scoring {
namespace {
constexpr size_t chunk_bytes = 64u << 10;
}

Arena::Arena() { chunks_.push_back(std::make_unique<char[]>(chunk_bytes)); }

char* Arena::take(size_t bytes) {
  if (bytes > chunk_bytes) {
    // No text of a record is that long; one from elsewhere gets memory of its own until the next reset.
    large_.push_back(std::make_unique<char[]>(bytes));
    return large_.back().get();
  }
  if (used_ + bytes > chunk_bytes) {
    ++chunk_, used_ = 0;
    if (chunk_ == chunks_.size()) chunks_.push_back(std::make_unique<char[]>(chunk_bytes));
  }
  char* const at = chunks_[chunk_].get() + used_;
  used_ += bytes;
  return at;
}

std::string_view Arena::keep(std::string_view text) {
  char* const at = take(text.size());
  std::memcpy(at, text.data(), text.size());
  return {at, text.size()};
}

std::string_view Arena::decimal(int64_t value) {
  char* const at = take(20);
  const auto end = std::to_chars(at, at + 20, value);
  return {at, static_cast<size_t>(end.ptr - at)};
}

}  // namespace shrike::scoring
