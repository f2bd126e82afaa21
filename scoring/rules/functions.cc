// What the functions of conditions do to values: tolower, b64, join, getopt and the others.

#include <algorithm>
#include <array>
#include <bitset>

#include "scoring/rules/match.h"
#include "scoring/rules/operand.h"

namespace shrike::scoring {
namespace {

constexpr size_t made_max = 64u << 10;  // of a text made of others

using Parts = std::span<const std::span<const Value>>;

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

template <char (*change)(char)>
std::string_view changed(std::string_view text, Arena& arena) {
  char* const out = arena.take(text.size());
  std::transform(text.begin(), text.end(), out, change);
  return {out, text.size()};
}

// Padding may be there or not, as Falco has it. False: not base64.
bool decode_base64(std::string_view text, Arena& arena, std::string_view& decoded) {
  static constexpr auto values = [] {
    std::array<int8_t, 256> table{};
    table.fill(-1);
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < alphabet.size(); ++i) table[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
    return table;
  }();
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  char* const out = arena.take(text.size() * 3 / 4 + 1);
  size_t used = 0;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int8_t value = values[static_cast<uint8_t>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[used++] = static_cast<char>(bits >> count & 0xff);
  }
  decoded = {out, used};
  return true;
}

// Puts texts one behind the other into memory of the arena.
class Joiner {
 public:
  Joiner(Arena& arena, size_t bytes) : room_(std::min(bytes, made_max)), out_(arena.take(room_)) {}
  void add(std::string_view text) {
    const size_t n = std::min(text.size(), room_ - used_);
    std::copy_n(text.begin(), n, out_ + used_);
    used_ += n;
  }
  [[nodiscard]] std::string_view text() const { return {out_, used_}; }

 private:
  size_t room_, used_ = 0;
  char* out_;
};

void join(const Operand& call, Parts parts, Arena& arena, std::vector<Value>& out) {
  const std::string_view separator = parts[0].front().text;
  const Type type = call.parts[1]->type;
  size_t bytes = 0;
  for (const Value& value : parts[1]) bytes += shown(type, value, arena).size() + separator.size();
  Joiner joiner(arena, bytes);
  for (size_t i = 0; i < parts[1].size(); ++i) {
    if (i != 0) joiner.add(separator);
    joiner.add(shown(type, parts[1][i], arena));
  }
  out.push_back({joiner.text(), 0});
}

void concat(const Operand& call, Parts parts, Arena& arena, std::vector<Value>& out) {
  size_t bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) bytes += shown(call.parts[i]->type, parts[i].front(), arena).size();
  Joiner joiner(arena, bytes);
  for (size_t i = 0; i < parts.size(); ++i) joiner.add(shown(call.parts[i]->type, parts[i].front(), arena));
  out.push_back({joiner.text(), 0});
}

// getopt(3) without long options, which are skipped: every option met, and behind it its value; "?" for one that is
// not known, an empty text where a value is wanted and missing. With one option asked for: its last value, or its name.
void getopt(const Operand& call, std::span<const Value> arguments, std::string_view options, std::vector<Value>& out) {
  std::bitset<256> known, wants_value;
  if (options.starts_with(':')) options.remove_prefix(1);
  for (size_t i = 0; i < options.size(); ++i) {
    const auto option = static_cast<uint8_t>(options[i]);
    if (option == ':') continue;
    known.set(option);
    wants_value.set(option, i + 1 < options.size() && options[i + 1] == ':');
  }
  const size_t first = out.size();
  const auto found = [&](std::string_view name, const std::string_view* value) {
    if (call.option == 0) {
      out.push_back({name, 0});
      if (value != nullptr) out.push_back({*value, 0});
    } else if (name == std::string_view(&call.option, 1)) {
      out.resize(first);
      out.push_back({value != nullptr ? *value : name, 0});
    }
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i].text;
    if (argument == "--" || argument.size() < 2 || argument[0] != '-') return;
    if (argument[1] == '-') continue;
    for (size_t at = 1; at < argument.size(); ++at) {
      const auto option = static_cast<uint8_t>(argument[at]);
      const std::string_view name = argument.substr(at, 1);
      if (option == ':' || !known.test(option)) {
        if (call.option == 0) out.push_back({"?", 0});
        continue;
      }
      if (!wants_value.test(option)) {
        found(name, nullptr);
        continue;
      }
      if (at + 1 < argument.size()) {
        const std::string_view value = argument.substr(at + 1);
        found(name, &value);
      } else if (i + 1 < arguments.size()) {
        found(name, &arguments[++i].text);
      } else if (const std::string_view none; call.option == 0) {
        out.push_back({none, 0});
      } else {
        found(name, &none);
      }
      break;
    }
  }
}

}  // namespace

bool apply(const Operand& call, Parts parts, Arena& arena, std::vector<Value>& out) {
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i].data() == nullptr || (parts[i].empty() && !call.parts[i]->list)) return false;
  switch (call.function) {
    case Function::list:
      for (size_t i = 0; i < parts.size(); ++i)
        for (const Value& value : parts[i]) out.push_back({shown(call.parts[i]->type, value, arena), 0});
      return true;
    case Function::join:
      join(call, parts, arena, out);
      return true;
    case Function::concat:
      concat(call, parts, arena, out);
      return true;
    case Function::getopt: {
      const size_t before = out.size();
      getopt(call, parts[0], parts[1].front().text, out);
      return call.option == 0 || out.size() != before;
    }
    case Function::length:
      if (call.parts[0]->list) {
        out.push_back({{}, static_cast<int64_t>(parts[0].size())});
        return true;
      }
      for (const Value& value : parts[0]) out.push_back({{}, static_cast<int64_t>(value.text.size())});
      return true;
    case Function::tolower:
      for (const Value& value : parts[0]) out.push_back({changed<lower>(value.text, arena), 0});
      return true;
    case Function::toupper:
      for (const Value& value : parts[0]) out.push_back({changed<upper>(value.text, arena), 0});
      return true;
    case Function::basename:
      for (const Value& value : parts[0]) out.push_back({value.text.substr(value.text.rfind('/') + 1), 0});
      return true;
    case Function::b64: {
      bool any = false;
      for (const Value& value : parts[0]) {
        std::string_view decoded;
        if (!decode_base64(value.text, arena, decoded)) continue;
        out.push_back({decoded, 0});
        any = true;
      }
      return any;
    }
  }
  return false;
}

}  // namespace shrike::scoring
