#pragma once
// How texts and addresses are compared.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shrike::scoring {

bool contains(std::string_view text, std::string_view part);
/// ASCII letters of either case are the same.
bool contains_ignoring_case(std::string_view text, std::string_view part);
/// fnmatch without any special meaning of '/': '*', '?', '[a-z]', '[!x]', backslash. Time is at most the product of
/// both lengths.
bool glob(std::string_view pattern, std::string_view text, bool ignore_case);
/// `prefix` is `path` or one of the folders above it. Slashes at its end do not count.
bool path_prefix(std::string_view prefix, std::string_view path);
/// The same where parts of `prefix`, between slashes, are patterns.
bool glob_prefix(std::string_view prefix, std::string_view path);
bool is_glob(std::string_view text);
inline char lower(char c) { return static_cast<char>(c + (static_cast<unsigned char>(c - 'A') < 26 ? 'a' - 'A' : 0)); }

/// A network or, with all bits, one address.
struct Network {
  std::array<uint8_t, 16> bytes{};
  uint8_t size = 4;  ///< 4 or 16
  uint8_t bits = 32;

  static std::optional<Network> parse(const std::string& text);
  /// `address`: 4 or 16 bytes.
  [[nodiscard]] bool has(std::string_view address) const;
};

/// Of the ends and the length, which tell names and paths apart well enough; equality has to decide.
uint64_t text_hash(std::string_view text);

/// A set of texts asked often: one probe for what is not in it.
class TextSet {
 public:
  explicit TextSet(const std::vector<std::string>& texts);
  [[nodiscard]] bool has(std::string_view text) const;

 private:
  std::vector<std::string> texts_;
  std::vector<uint32_t> slots_;  // index + 1 into texts_, 0: free
  uint64_t lengths_ = 0;         // bit n: a text of n characters (63: or more)
};

}  // namespace shrike::scoring
