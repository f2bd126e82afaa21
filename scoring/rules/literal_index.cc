#include "scoring/rules/literal_index.h"

#include <algorithm>
#include <bit>
#include <map>

namespace shrike::scoring {
namespace {

uint64_t hash(uint8_t place, std::string_view text) { return text_hash(text) + place * 0x9e3779b97f4a7c15u; }

// What stands before the last slash of the first `size` characters.
std::string_view folder_of(std::string_view text) {
  const size_t slash = text.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : text.substr(0, slash);
}

}  // namespace

// False: nothing can be named for one of the check's texts.
bool LiteralIndex::keys_of(const Check& check, std::vector<Key>& keys) {
  const auto key = [&](Place place, std::string_view text) {
    keys.push_back({place, std::string(text), {}});
    return !text.empty();
  };
  for (const std::string& text : check.texts) {
    const std::string_view view = text;
    switch (check.op) {
      case Operator::equal:
      case Operator::in:
      case Operator::intersects:
        keys.push_back({whole, text, {}});
        break;
      case Operator::pmatch: {
        std::string_view prefix = view;
        while (prefix.size() > 1 && prefix.back() == '/') prefix.remove_suffix(1);
        if (prefix == "/" || !key(folder, prefix)) return false;
        break;
      }
      case Operator::startswith:
        if (!key(folder, folder_of(view))) return false;
        break;
      case Operator::glob: {
        if (view.find('\\') != std::string_view::npos) return false;
        if (!key(folder, folder_of(view.substr(0, view.find_first_of("*?["))))) return false;
        break;
      }
      case Operator::endswith: {
        const size_t slash = view.rfind('/');
        if (slash == std::string_view::npos || !key(last, view.substr(slash + 1))) return false;
        break;
      }
      case Operator::contains: {
        const size_t first = view.find('/');
        const size_t second = first == std::string_view::npos ? first : view.find('/', first + 1);
        if (second == std::string_view::npos || !key(name, view.substr(first + 1, second - first - 1))) return false;
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

bool LiteralIndex::add(const Check& check, uint32_t number) {
  std::vector<Key> keys;
  if (check.type != Type::text || check.op == Operator::exists || !keys_of(check, keys)) return false;
  checks_.push_back(number);
  for (Key& key : keys) {
    key.checks.push_back(number);
    keys_.push_back(std::move(key));
  }
  return true;
}

void LiteralIndex::finish() {
  std::map<std::pair<Place, std::string>, std::vector<uint32_t>> unique;
  for (Key& key : keys_) {
    auto& checks = unique[{key.place, key.text}];
    checks.insert(checks.end(), key.checks.begin(), key.checks.end());
  }
  keys_.clear();
  for (auto& [at, checks] : unique) keys_.push_back({at.first, at.second, std::move(checks)});
  slots_.resize(std::bit_ceil(keys_.size() * 2 + 1));
  for (size_t i = 0; i < keys_.size(); ++i) {
    lengths_[keys_[i].place] |= uint64_t{1} << std::min<size_t>(keys_[i].text.size(), 63);
    size_t slot = hash(keys_[i].place, keys_[i].text) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

void LiteralIndex::look_up(Place place, std::string_view text, std::vector<uint32_t>& candidates) const {
  if ((lengths_[place] >> std::min<size_t>(text.size(), 63) & 1) == 0) return;
  for (size_t slot = hash(place, text) & (slots_.size() - 1); slots_[slot] != 0;
       slot = (slot + 1) & (slots_.size() - 1)) {
    const Key& key = keys_[slots_[slot] - 1];
    if (key.place != place || key.text != text) continue;
    candidates.insert(candidates.end(), key.checks.begin(), key.checks.end());
    return;
  }
}

void LiteralIndex::find(std::span<const Value> values, std::vector<uint32_t>& candidates) const {
  const bool inside = (lengths_[folder] | lengths_[name]) != 0;
  for (const Value& value : values) {
    const std::string_view text = value.text;
    look_up(whole, text, candidates);
    if (inside) look_up(folder, text, candidates);
    size_t begin = 0;  // behind the slash before, 0: none yet
    for (size_t at = 0; inside && at < text.size(); ++at) {
      if (text[at] != '/') continue;
      look_up(folder, text.substr(0, at), candidates);
      if (begin != 0) look_up(name, text.substr(begin, at - begin), candidates);
      begin = at + 1;
    }
    if (!inside && lengths_[last] != 0) begin = text.rfind('/') + 1;
    if (begin != 0) look_up(last, text.substr(begin), candidates);
  }
}

}  // namespace shrike::scoring
