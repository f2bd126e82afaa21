#include "common/base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace shrike {
namespace {
uint64_t read_ns(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}
}  // namespace

uint64_t boot_now_ns() { return read_ns(CLOCK_BOOTTIME); }
uint64_t wall_now_ns() { return read_ns(CLOCK_REALTIME); }

int64_t wall_offset_ns() {
  int64_t best = 0;
  uint64_t tightest = UINT64_MAX;
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = boot_now_ns();
    const uint64_t wall = wall_now_ns();
    const uint64_t after = boot_now_ns();
    if (after - before < tightest) {
      tightest = after - before;
      best = static_cast<int64_t>(wall) - static_cast<int64_t>(before + (after - before) / 2);
    }
  }
  return best;
}

std::string rfc3339(uint64_t ns) {
  const time_t seconds = static_cast<time_t>(ns / 1'000'000'000u);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const size_t n = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + n, text.size() - n, ".%09uZ", static_cast<unsigned>(ns % 1'000'000'000u));
  return text.data();
}

}  // namespace shrike
