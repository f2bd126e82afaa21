#pragma once

#include <string>
#include <string_view>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike {

/// The whole of a file, at most `limit` bytes. Errors: errno of open or read; "larger than N bytes".
Result<std::string> read_file(const std::string& path, size_t limit = 64u << 20);

/// Replaces a file so that after a crash either the old or the new content is there:
/// temporary file in the same folder, fsync, rename, fsync of the folder.
Result<void> write_file_atomic(const std::string& path, std::string_view content, unsigned mode = 0644);

/// Writes all of `bytes` to `fd`, continuing after short writes and EINTR.
Result<void> write_all(int fd, std::string_view bytes);

/// mkdir -p with `mode` for what is made.
Result<void> make_dirs(const std::string& path, unsigned mode = 0755);

}  // namespace shrike
