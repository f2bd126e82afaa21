#pragma once
// Sets of event kinds that can be built at compile time.

#include <array>
#include <cstdint>
#include <initializer_list>

#include "common/wire/event.h"

namespace shrike::scoring {

class KindSet {
 public:
  constexpr KindSet() = default;
  constexpr KindSet(std::initializer_list<EventKind> kinds) {
    for (EventKind kind : kinds) add(kind);
  }
  /// Every kind from `first` to `last`.
  static constexpr KindSet range(EventKind first, EventKind last) {
    KindSet set;
    for (auto k = static_cast<unsigned>(first); k <= static_cast<unsigned>(last); ++k)
      set.add(static_cast<EventKind>(k));
    return set;
  }
  static constexpr KindSet all() { return range(EventKind::none, static_cast<EventKind>(event_kind_count - 1)); }

  constexpr void add(EventKind kind) {
    const auto k = static_cast<unsigned>(kind) % event_kind_count;
    words_[k / 64] |= uint64_t{1} << (k % 64);
  }
  [[nodiscard]] constexpr bool has(EventKind kind) const {
    const auto k = static_cast<unsigned>(kind);
    return k < event_kind_count && (words_[k / 64] >> (k % 64) & 1) != 0;
  }
  [[nodiscard]] constexpr bool empty() const { return (words_[0] | words_[1]) == 0; }
  constexpr KindSet operator|(const KindSet& other) const {
    KindSet set;
    for (size_t i = 0; i < words_.size(); ++i) set.words_[i] = words_[i] | other.words_[i];
    return set;
  }

 private:
  std::array<uint64_t, event_kind_count / 64> words_{};
};

namespace kinds {
using K = EventKind;
inline constexpr KindSet exec{K::exec, K::exec_failed};
inline constexpr KindSet file = KindSet::range(K::open, K::chroot);
inline constexpr KindSet socket = KindSet::range(K::socket, K::tcp_state);
inline constexpr KindSet changes{K::chmod, K::chown, K::truncate, K::setxattr};  // of an object, by path or descriptor
inline constexpr KindSet two_paths{K::rename, K::link, K::symlink, K::mount, K::pivot_root};
inline constexpr KindSet targets{K::fork, K::signal, K::ptrace, K::vm_access};
}  // namespace kinds

/// The access bits of a kind that the kernel filters by path (open: all three); 0 for every other kind.
uint32_t access_of(EventKind kind);

}  // namespace shrike::scoring
