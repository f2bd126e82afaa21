#include "sandbox/microvm/machine/stale.h"

#include <sys/mman.h>

#include <algorithm>

namespace shrike::sandbox::microvm {

std::vector<FrameRun> frame_runs(std::vector<Frame> frames, uint32_t gap) {
  std::ranges::sort(frames);
  std::vector<FrameRun> runs;
  for (const Frame frame : frames) {
    if (runs.empty() || frame > uint64_t{runs.back().first} + runs.back().count + gap) {
      runs.push_back({frame, 1});
    } else {
      runs.back().count = std::max(runs.back().count, frame - runs.back().first + 1);
    }
  }
  return runs;
}

Result<void> drop_translations(const Physical& physical, const FrameRun& run) {
  std::byte* const at = physical.host() + run.first * page_bytes;
  const size_t bytes = run.count * page_bytes;
  if (::mprotect(at, bytes, PROT_READ) != 0 || ::mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0)
    return errno_error("mprotect of guest memory");
  return {};
}

}  // namespace shrike::sandbox::microvm
