#include "collector/quarantine.h"

#include <algorithm>
#include <filesystem>

#include "common/base/file.h"

namespace shrike::collector {

Result<void> Quarantine::keep(const VerdictRow& row, std::string_view bytes) {
  TRY_VOID(make_dirs(dir_, 0750));
  // Names begin with a time of fixed width, so that they sort by age.
  char time[32];
  std::snprintf(time, sizeof time, "%020llu", static_cast<unsigned long long>(row.received_ns));
  const std::string node = row.node.empty() ? "unknown" : row.node;  // a checked node id: no '/' in it
  const std::string name = std::string(time) + "-" + std::string(verdict_name(row.verdict)) + "-" + node + "-" +
                           std::string(lane_name(row.lane)) + "-" + std::to_string(row.seq) + ".batch";
  struct Old {
    std::string path;
    uint64_t size;
  };
  std::vector<Old> old;
  std::error_code failed;
  uint64_t total = bytes.size();
  for (const auto& entry : std::filesystem::directory_iterator(dir_, failed)) {
    const uint64_t size = entry.file_size(failed);
    if (failed) continue;
    old.push_back({entry.path().string(), size});
    total += size;
  }
  std::sort(old.begin(), old.end(), [](const Old& a, const Old& b) { return a.path < b.path; });
  for (size_t i = 0; i < old.size() && (old.size() - i >= files_max || total > bytes_max); ++i) {
    std::filesystem::remove(old[i].path, failed);
    total -= old[i].size;
  }
  return write_file_atomic(dir_ + "/" + name, bytes, 0640);
}

}  // namespace shrike::collector
