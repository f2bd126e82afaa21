#include "agent/enrich/users.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "common/base/file.h"

namespace shrike::enrich {
namespace {
constexpr size_t file_max_bytes = 4u << 20;
constexpr size_t names_max = 65536;
constexpr size_t name_max_bytes = 255;
}  // namespace

std::unordered_map<uint32_t, std::string> parse_id_names(std::string_view text) {
  std::unordered_map<uint32_t, std::string> names;
  while (!text.empty() && names.size() < names_max) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos || first == 0 || first > name_max_bytes) continue;
    const std::string_view number = line.substr(second + 1, line.find(':', second + 1) - second - 1);
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    if (error != std::errc() || end != number.data() + number.size()) continue;
    names.emplace(id, line.substr(0, first));
  }
  return names;
}

IdNames::IdNames(std::string path) : path_(std::move(path)) {}

std::string_view IdNames::name(uint32_t id, uint64_t now_ns) {
  if (now_ns >= next_check_ns_) refresh(now_ns);
  const auto at = names_.find(id);
  return at == names_.end() ? std::string_view{} : at->second;
}

void IdNames::refresh(uint64_t now_ns) {
  next_check_ns_ = now_ns + 1'000'000'000;
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return;
  const Stamp now{
      static_cast<uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(status.st_mtim.tv_nsec),
      status.st_ino, static_cast<uint64_t>(status.st_size)};
  if (now == stamp_) return;
  auto text = read_file(path_, file_max_bytes);
  if (!text) return;
  names_ = parse_id_names(*text);
  stamp_ = now;
}

}  // namespace shrike::enrich
