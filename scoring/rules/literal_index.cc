#include "scoring/rules/literal_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

namespace shrike::scoring {
namespace {

constexpr size_t long_gram = 4, short_gram = 2;
// So many bits for each gram: the fewer, the more often the bits say by mistake that a gram is there; the more, the
// less of the first cache is left for all else.
constexpr size_t bits_for_each = 64;
constexpr unsigned least_bits = 10, most_bits = 18;

uint64_t hash(uint8_t place, std::string_view text) { return text_hash(text) + place * 0x9e3779b97f4a7c15u; }
uint32_t mixed(uint32_t gram) { return gram * 0x9e3779b1u; }
bool has_bit(const std::vector<uint64_t>& bits, uint32_t at) { return (bits[at / 64] >> (at % 64) & 1) != 0; }
void set_bit(std::vector<uint64_t>& bits, uint32_t at) { bits[at / 64] |= uint64_t{1} << (at % 64); }
uint64_t length_bit(size_t size) { return uint64_t{1} << std::min<size_t>(size, 63); }

// How often a character stands in paths and command lines, roughly: what is rare finds less by mistake.
int commonness(char c) {
  if (std::string_view("/e-trasinol").find(c) != std::string_view::npos) return 4;
  if (std::string_view("cdupmhb. ").find(c) != std::string_view::npos) return 3;
  if (c >= 'a' && c <= 'z') return 2;
  return 1;
}

uint32_t gram_at(std::string_view text, size_t at, size_t size) {
  uint32_t gram = 0;
  for (size_t i = 0; i < size; ++i) gram = gram << 8 | static_cast<uint8_t>(text[at + i]);
  return gram;
}

}  // namespace

void LiteralIndex::add_gram(uint32_t key) {
  const std::string& text = keys_[key].text;
  const size_t size = text.size() >= long_gram ? long_gram : short_gram;
  size_t best = 0;
  int least = INT32_MAX;
  for (size_t at = 0; at + size <= text.size(); ++at) {
    int sum = 0;
    for (size_t i = 0; i < size; ++i) sum += commonness(text[at + i]);
    if (sum < least) best = at, least = sum;
  }
  (size == long_gram ? long_grams_ : short_grams_)
      .push_back({gram_at(text, best, size), key, static_cast<uint32_t>(best)});
}

void LiteralIndex::finish() {
  std::map<std::pair<Place, std::string>, std::vector<uint32_t>> unique;
  for (Key& key : keys_) {
    auto& numbers = unique[{key.place, key.text}];
    numbers.insert(numbers.end(), key.numbers.begin(), key.numbers.end());
  }
  keys_.clear();
  for (auto& [at, numbers] : unique) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    keys_.push_back({at.first, at.second, std::move(numbers), 0});
  }
  slots_.assign(std::bit_ceil(keys_.size() * 2 + 1), 0);
  for (uint32_t i = 0; i < keys_.size(); ++i) {
    lengths_[keys_[i].place] |= length_bit(keys_[i].text.size());
    if (keys_[i].place == anywhere) {
      add_gram(i);
      continue;
    }
    size_t slot = hash(keys_[i].place, keys_[i].text) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = i + 1;
  }
  const auto by_characters = [](const Gram& a, const Gram& b) { return a.characters < b.characters; };
  std::stable_sort(long_grams_.begin(), long_grams_.end(), by_characters);
  std::stable_sort(short_grams_.begin(), short_grams_.end(), by_characters);
  make_long_table();
  if (!short_grams_.empty()) short_bits_.assign(65536 / 64, 0);
  for (const Gram& gram : short_grams_) set_bit(short_bits_, gram.characters);
}

void LiteralIndex::make_long_table() {
  if (long_grams_.empty()) return;
  const auto bits =
      std::clamp(static_cast<unsigned>(std::bit_width(long_grams_.size() * bits_for_each)), least_bits, most_bits);
  long_shift_ = 32 - bits;
  long_bits_.assign((size_t{1} << bits) / 64, 0);
  long_slots_.assign(std::bit_ceil(long_grams_.size() * 2), 0);
  for (uint32_t i = 0; i < long_grams_.size(); ++i) {
    const uint32_t characters = long_grams_[i].characters;
    if (i > 0 && long_grams_[i - 1].characters == characters) continue;
    set_bit(long_bits_, mixed(characters) >> long_shift_);
    size_t slot = mixed(characters) & (long_slots_.size() - 1);
    while (long_slots_[slot] != 0) slot = (slot + 1) & (long_slots_.size() - 1);
    long_slots_[slot] = i + 1;
  }
}

void LiteralIndex::tell(const Key& key, std::vector<uint32_t>& numbers) const {
  numbers.insert(numbers.end(), key.numbers.begin(), key.numbers.end());
}

void LiteralIndex::look_up(Place place, std::string_view text, std::vector<uint32_t>& numbers) const {
  if ((lengths_[place] & length_bit(text.size())) == 0) return;
  for (size_t slot = hash(place, text) & (slots_.size() - 1); slots_[slot] != 0;
       slot = (slot + 1) & (slots_.size() - 1)) {
    const Key& key = keys_[slots_[slot] - 1];
    if (key.place == place && key.text == text) return tell(key, numbers);
  }
}

void LiteralIndex::found_long(uint32_t gram, std::string_view text, size_t end, std::vector<uint32_t>& numbers) const {
  for (size_t slot = mixed(gram) & (long_slots_.size() - 1); long_slots_[slot] != 0;
       slot = (slot + 1) & (long_slots_.size() - 1)) {
    const uint32_t first = long_slots_[slot] - 1;
    if (long_grams_[first].characters == gram)
      return found_gram(std::span(long_grams_).subspan(first), gram, long_gram, text, end, numbers);
  }
}

void LiteralIndex::found_short(uint32_t gram, std::string_view text, size_t end, std::vector<uint32_t>& numbers) const {
  const auto at = std::lower_bound(short_grams_.begin(), short_grams_.end(), gram,
                                   [](const Gram& one, uint32_t value) { return one.characters < value; });
  found_gram({at, short_grams_.end()}, gram, short_gram, text, end, numbers);
}

// Grams are in order of their characters; the first ones are looked at that have those of `characters`.
void LiteralIndex::found_gram(std::span<const Gram> grams, uint32_t characters, size_t size, std::string_view text,
                              size_t end, std::vector<uint32_t>& numbers) const {
  for (auto at = grams.begin(); at != grams.end() && at->characters == characters; ++at) {
    const Key& key = keys_[at->key];
    const size_t gram_begin = end - size;
    if (gram_begin < at->offset) continue;
    const size_t begin = gram_begin - at->offset;
    if (begin + key.text.size() <= text.size() &&
        std::memcmp(text.data() + begin, key.text.data(), key.text.size()) == 0)
      tell(key, numbers);
  }
}

void LiteralIndex::find_anywhere(std::string_view text, std::vector<uint32_t>& numbers) const {
  uint32_t gram = 0;
  const bool with_short = !short_grams_.empty(), with_long = !long_grams_.empty();
  for (size_t at = 0; at < text.size(); ++at) {
    gram = gram << 8 | static_cast<uint8_t>(text[at]);
    if (with_long && at + 1 >= long_gram && has_bit(long_bits_, mixed(gram) >> long_shift_))
      found_long(gram, text, at + 1, numbers);
    if (with_short && at + 1 >= short_gram && has_bit(short_bits_, gram & 0xffff))
      found_short(gram & 0xffff, text, at + 1, numbers);
  }
}

void LiteralIndex::find_folders(std::string_view text, std::vector<uint32_t>& numbers) const {
  look_up(folder, text, numbers);
  size_t begin = std::string_view::npos;  // behind the slash before
  for (size_t slash = text.find('/'); slash != std::string_view::npos; slash = text.find('/', slash + 1)) {
    look_up(folder, text.substr(0, slash), numbers);
    if (begin != std::string_view::npos) look_up(name, text.substr(begin, slash - begin), numbers);
    begin = slash + 1;
  }
}

void LiteralIndex::find(std::span<const Value> values, Arena& arena, std::vector<uint32_t>& numbers) const {
  for (const Value& value : values) {
    const std::string_view given =
        numbers_ ? std::string_view(reinterpret_cast<const char*>(&value.number), sizeof value.number) : value.text;
    char* const room = arena.take(given.size());
    std::transform(given.begin(), given.end(), room, lower);
    const std::string_view text(room, given.size());
    look_up(whole, text, numbers);
    if ((lengths_[folder] | lengths_[name]) != 0) find_folders(text, numbers);
    if ((lengths_[last] | lengths_[directory]) != 0) {
      const size_t slash = text.rfind('/');
      look_up(last, text.substr(slash + 1), numbers);
      if (slash != std::string_view::npos) look_up(directory, text.substr(0, std::max<size_t>(slash, 1)), numbers);
    }
    for (uint64_t bits = lengths_[prefix]; bits != 0; bits &= bits - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(bits));
      if (size <= text.size()) look_up(prefix, text.substr(0, size), numbers);
    }
    for (uint64_t bits = lengths_[suffix]; bits != 0; bits &= bits - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(bits));
      if (size <= text.size()) look_up(suffix, text.substr(text.size() - size), numbers);
    }
    if (lengths_[anywhere] != 0) find_anywhere(text, numbers);
  }
}

}  // namespace shrike::scoring
