#pragma once
// What KVM must read again in page tables that we have changed.

#include <vector>

#include "common/base/result.h"
#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

struct FrameRun {
  Frame first = 0;
  uint32_t count = 0;
  bool operator==(const FrameRun&) const = default;
};

/// Runs of frames, in order, each frame once; one run goes over gaps of up to `gap` other frames.
std::vector<FrameRun> frame_runs(std::vector<Frame> frames, uint32_t gap);

/// Takes the host's access to these frames away and gives it back. Every KVM has to drop its translations to a page
/// that the host changes its mapping of (an MMU notifier tells it), also those that a shadow MMU has made from page
/// tables of the guest's, and reads those tables again at the next access. What is in the frames stays. Errors: errno
/// of mprotect. Cost here: 9 us for a run.
Result<void> drop_translations(const Physical& physical, const FrameRun& run);

}  // namespace shrike::sandbox::microvm
