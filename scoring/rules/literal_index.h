#pragma once
// The literals of all checks on one field, looked up in one pass over its value. What is found may hold and is checked
// as usual; every other indexed check is false without being looked at. One pass costs the same for ten rules and for
// a thousand.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scoring/rules/check.h"

namespace shrike::scoring {

class LiteralIndex {
 public:
  /// Takes a check if a text that must stand in the value can be named; otherwise false, and it stays with the caller.
  bool add(const Check& check, uint32_t number);
  /// To be called once, behind the last add.
  void finish();
  [[nodiscard]] const std::vector<uint32_t>& checks() const { return checks_; }
  /// Appends the numbers of those checks whose literals the values have, some perhaps twice. The others are false.
  void find(std::span<const Value> values, std::vector<uint32_t>& candidates) const;

 private:
  enum Place : uint8_t {
    whole,   // the value
    folder,  // the value, or what stands before one of its slashes
    name,    // between two slashes
    last,    // behind the last slash
    places
  };
  struct Key {
    Place place;
    std::string text;
    std::vector<uint32_t> checks;
  };

  static bool keys_of(const Check& check, std::vector<Key>& keys);
  void look_up(Place place, std::string_view text, std::vector<uint32_t>& candidates) const;

  std::vector<Key> keys_;
  std::vector<uint32_t> checks_;
  std::vector<uint32_t> slots_;    // hash table: index + 1 into keys_, 0: free
  uint64_t lengths_[places] = {};  // bit n: a key of n characters (63: or more)
};

}  // namespace shrike::scoring
