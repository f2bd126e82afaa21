#include "agent/respond/process_stat.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "common/base/file.h"

namespace shrike::respond {
namespace {

constexpr size_t stat_max_bytes = 4096;
constexpr uint64_t second_ns = 1'000'000'000;

}  // namespace

Result<ProcessStat> parse_process_stat(std::string_view text) {
  const Error wrong{"/proc/PID/stat is not as proc(5) says"};
  const size_t close = text.rfind(')');
  if (close == std::string_view::npos) return wrong;
  text.remove_prefix(close + 1);
  ProcessStat out;
  // Behind the name: 3 state, 4 parent, ..., 22 start time.
  for (int field = 3; field <= 22; ++field) {
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return wrong;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    const std::string_view word = text.substr(0, end);
    const auto parse = [&](auto& number) {
      const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), number);
      return error == std::errc() && at == word.data() + word.size();
    };
    if ((field == 4 && !parse(out.parent)) || (field == 22 && !parse(out.start_ticks))) return wrong;
    text.remove_prefix(end);
  }
  return out;
}

Result<ProcessStat> process_stat(uint32_t pid) {
  return parse_process_stat(TRY(read_file("/proc/" + std::to_string(pid) + "/stat", stat_max_bytes)));
}

bool same_start(uint64_t start_ns, const ProcessStat& stat) {
  const auto ticks_per_s = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return start_ns / (second_ns / ticks_per_s) == stat.start_ticks;
}

}  // namespace shrike::respond
