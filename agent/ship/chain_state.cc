#include "agent/ship/chain_state.h"

#include <openssl/rand.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common/base/bytes.h"

namespace shrike::ship {
namespace {
constexpr std::string_view first_line = "shrike chain 1";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty() && words.size() < 8) {
    const size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

template <class Array>
bool read_hex(std::string_view text, Array& to) {
  const auto bytes = unhex(text);
  if (!bytes || bytes->size() != to.size()) return false;
  std::copy(bytes->begin(), bytes->end(), to.begin());
  return true;
}

bool read_number(std::string_view text, uint64_t& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

std::string text_of(const auto& bytes) { return hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); }

bool read_line(std::string_view line, ChainState& state) {
  const auto words = words_of(line);
  if (words.empty()) return false;
  if (words[0] == "host_boot" && words.size() == 2) {
    state.host_boot = words[1];
    return state.host_boot.size() <= 64;
  }
  if (words[0] == "boot" && words.size() == 2) return read_hex(words[1], state.boot);
  const auto lane = words.size() > 1 ? lane_named(words[1]) : std::nullopt;
  if (!lane) return false;
  ChainState::LaneState& of_lane = state.lanes[lane_index(*lane)];
  if (words[0] == "head" && words.size() == 5) {
    ChainHead& head = of_lane.head;
    return read_hex(words[2], head.boot) && read_number(words[3], head.seq) && read_hex(words[4], head.hash);
  }
  if (words[0] == "acked" && words.size() == 4)
    return read_hex(words[2], of_lane.acked.boot) && read_number(words[3], of_lane.acked.seq);
  return false;
}
}  // namespace

Result<ChainState> parse_chain_state(std::string_view text) {
  ChainState state;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    ++number;
    if (end == std::string_view::npos) return Error{"line " + std::to_string(number) + ": cut"};
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1 ? line != first_line : !read_line(line, state))
      return Error{"line " + std::to_string(number) + ": not what a chain file has there"};
  }
  if (number == 0) return Error{"empty"};
  if (state.boot == BootId{}) return Error{"line 'boot' is missing"};
  for (ChainState::LaneState& lane : state.lanes) lane.head.hash_known = lane.head.hash != Digest{};
  return state;
}

std::string format_chain_state(const ChainState& state) {
  std::string text(first_line);
  text.append("\nhost_boot ").append(state.host_boot).append("\nboot ").append(text_of(state.boot)) += '\n';
  for (const Lane lane : both_lanes) {
    const auto& [head, acked] = state.lanes[lane_index(lane)];
    text.append("head ").append(lane_name(lane)).append(" ").append(text_of(head.boot)).append(" ");
    text.append(std::to_string(head.seq)).append(" ");
    text.append(text_of(head.hash_known ? head.hash : Digest{})) += '\n';
    text.append("acked ").append(lane_name(lane)).append(" ").append(text_of(acked.boot)).append(" ");
    text.append(std::to_string(acked.seq)) += '\n';
  }
  return text;
}

BootId new_boot_id() {
  BootId boot;
  if (RAND_bytes(boot.data(), static_cast<int>(boot.size())) != 1) {
    std::fputs("ship: no random numbers\n", stderr);
    std::abort();
  }
  return boot;
}

}  // namespace shrike::ship
