#pragma once

#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::ctl {

/// The receiving end of sd_notify(3): how a child says that it is ready.
class NotifySocket {
 public:
  static Result<NotifySocket> open();
  /// "NOTIFY_SOCKET=...", for the child's environment.
  [[nodiscard]] std::string environment() const;
  /// Readable when something came; for poll(2).
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes what has come. True once READY=1 was among it.
  bool ready();
  /// The last STATUS= that came.
  [[nodiscard]] const std::string& status() const { return status_; }

 private:
  Fd fd_;
  std::string name_;  ///< in the abstract namespace, without the leading NUL
  bool ready_ = false;
  std::string status_;
};

}  // namespace shrike::ctl
