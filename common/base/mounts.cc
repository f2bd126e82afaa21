#include "common/base/mounts.h"

#include <cstdio>
#include <sstream>

#include "common/base/file.h"

namespace shrike {
namespace {
constexpr size_t mountinfo_max = 8u << 20;
}

std::map<uint64_t, uint32_t> devices_of_mounts() {
  std::map<uint64_t, uint32_t> devices;
  const auto text = read_file("/proc/self/mountinfo", mountinfo_max);
  if (!text.ok()) return devices;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long long id = 0;
    unsigned major = 0, minor = 0;
    if (std::sscanf(line.c_str(), "%llu %*u %u:%u", &id, &major, &minor) == 3)
      devices[id] = device_number(major, minor);
  }
  return devices;
}

}  // namespace shrike
