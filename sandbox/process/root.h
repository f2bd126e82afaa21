#pragma once
// The tree that a program sees: a tmpfs of its own, with read-only views of this host's programs and libraries, built
// by descriptors alone. Nobody but us is in it while it is built, and no path of the job's is ever followed over a link
// or out of it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox::process {

/// What of this host is shown. Links at the top are made again as links.
struct RootView {
  std::vector<std::string> paths = {"/usr",
                                    "/bin",
                                    "/sbin",
                                    "/lib",
                                    "/lib32",
                                    "/lib64",
                                    "/libx32",
                                    "/etc/alternatives",
                                    "/etc/ld.so.cache",
                                    "/etc/ssl",
                                    "/etc/ca-certificates"};
};

class Root {
 public:
  /// Builds the tree and makes it this process's root; the host's is gone after that. Needs new user and mount
  /// namespaces, in which this process may do everything. Appends what could not be had to `notes`. Errors: errno,
  /// where.
  static Result<Root> enter(const RootView& view, std::vector<std::string>& notes);

  /// Bounds what may be written from here on: bytes and files, beyond those that are there.
  Result<void> limit(const Limits& limits);
  /// A file of the job's, with the folders above it. Errors: something is in the way; errno.
  Result<void> put(const std::string& path, uint32_t mode, int from_fd);
  /// Folders with all above them.
  Result<void> make_folder(const std::string& path);
  /// Top folders that the program may write in.
  [[nodiscard]] const std::vector<std::string>& writable() const { return writable_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Root() = default;
  Result<void> furnish();
  /// The folder at the end of `path` ("a/b"), made where it is not there; its parts are never links.
  Result<Fd> folder(std::string_view path);

  Fd fd_;
  std::vector<std::string> writable_;
};

}  // namespace shrike::sandbox::process
