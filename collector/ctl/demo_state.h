#pragma once
// The demo's state directory: private, held by one demo at a time, removed or kept.

#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::ctl {

class DemoState {
 public:
  /// `wish` empty: a new directory under $TMPDIR or /tmp that goes when this object goes. Otherwise that one, made when
  /// missing and kept. Errors: it is another user's, open to others, holds something else, or another demo uses it.
  static Result<DemoState> open(const std::string& wish);
  DemoState(DemoState&& other) noexcept;
  DemoState& operator=(DemoState&&) = delete;
  ~DemoState();

  /// Absolute.
  [[nodiscard]] const std::string& dir() const { return dir_; }
  [[nodiscard]] bool kept() const { return kept_; }
  /// <dir>/<name>
  [[nodiscard]] std::string path(const std::string& name) const { return dir_ + "/" + name; }

 private:
  DemoState() = default;
  std::string dir_;
  bool kept_ = false;
  Fd lock_;
};

}  // namespace shrike::ctl
