#pragma once
// Which of many literals stand in a text, found in one pass: checks whose literals are not there need not be asked.
// Letters' case is ignored throughout, so one index serves icontains, tolower() and exact comparisons alike.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scoring/rules/check.h"

namespace shrike::scoring {

class LiteralIndex {
 public:
  /// What part of the index's text a check's operand is: basename(proc.exepath) is the last part of proc.exepath.
  enum class Part : uint8_t { whole, directory, last };

  /// Set in a number that find() tells: the literal found is all that its check asks, so it holds of that text.
  static constexpr uint32_t certain = 1u << 31;

  /// Takes the literals of `check`, so that find() tells `number` whenever the check can hold. False when the check
  /// may hold without any literal that could be looked up. `weight` is how often one of them will be found, roughly.
  /// `case_ignored`: the check sees the text in lower case, or ignores case.
  bool add(const Check& check, Part part, bool case_ignored, uint32_t number, double& weight);
  /// To be called once, behind the last add.
  void finish();
  /// Appends the numbers of checks that may hold of one of `values`, with `certain` where they do; some may come twice.
  void find(std::span<const Value> values, Arena& arena, std::vector<uint32_t>& numbers) const;
  [[nodiscard]] bool empty() const { return keys_.empty(); }

 private:
  // Where a literal has to stand: all of the text; a folder above it or it itself; the name of a folder; its last
  // name; all before the last slash; at the beginning; at the end; anywhere.
  enum Place : uint8_t { whole, folder, name, last, directory, prefix, suffix, anywhere, place_count };
  struct Key {
    Place place = whole;
    std::string text;
    std::vector<uint32_t> numbers;
    double weight = 0;
    bool whole_check = false;  // where the literal stands there, a check of this text alone holds, but for case
  };
  // The characters of a literal by which it is found, and where in it they stand.
  struct Gram {
    uint32_t characters = 0;
    uint32_t key = 0;
    uint32_t offset = 0;
  };

  static bool keys_of(const Check& check, Part part, std::vector<Key>& keys);
  static void key_of_text(Operator op, std::string_view text, Part part, std::vector<Key>& keys);
  void look_up(Place place, std::string_view text, std::vector<uint32_t>& numbers) const;
  void find_folders(std::string_view text, std::vector<uint32_t>& numbers) const;
  void find_anywhere(std::string_view text, std::vector<uint32_t>& numbers) const;
  void tell(const Key& key, std::vector<uint32_t>& numbers) const;
  void add_gram(uint32_t key);
  void make_long_table();
  void found_long(uint32_t gram, std::string_view text, size_t end, std::vector<uint32_t>& numbers) const;
  void found_short(uint32_t gram, std::string_view text, size_t end, std::vector<uint32_t>& numbers) const;
  void found_gram(std::span<const Gram> grams, uint32_t characters, size_t size, std::string_view text, size_t end,
                  std::vector<uint32_t>& numbers) const;

  std::vector<Key> keys_;
  bool numbers_ = false;                          // values are numbers, looked up as their bytes
  std::vector<uint32_t> slots_;                   // open addressing; number of a key plus one, 0: empty
  uint64_t lengths_[place_count]{};               // bit per length that occurs, 63: that long or longer
  std::vector<Gram> long_grams_, short_grams_;    // four characters, two; in order
  std::vector<uint32_t> long_slots_;              // open addressing; first gram of some characters plus one, 0: empty
  unsigned long_shift_ = 0;                       // of a long gram's hash
  std::vector<uint64_t> long_bits_, short_bits_;  // whether a gram of that hash can be there
};

}  // namespace shrike::scoring
