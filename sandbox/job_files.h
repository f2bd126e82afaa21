#pragma once
// The bytes that go with a job.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox {

/// In sealed memfds or read-only files.
struct JobFiles {
  Fd program;
  Fd input;  ///< valid when Job::has_input
  std::vector<Fd> files;
};

inline constexpr uint64_t job_file_bytes_max = 256u << 20;  ///< of one of them

/// A sealed memfd with these bytes. Errors: errno.
Result<Fd> sealed_bytes(std::string_view bytes, const char* name);
/// A sealed memfd with a file's bytes, read once. Errors: errno; not a regular file; larger than `limit`.
Result<Fd> sealed_file(const std::string& path, uint64_t limit = job_file_bytes_max);
/// The same of an open file, from its start. What is sealed against writing already is returned as it is.
Result<Fd> sealed_copy(Fd file, const char* name, uint64_t limit = job_file_bytes_max);
/// Hexadecimal sha256 of a file's bytes, from its start. Errors: errno.
Result<std::string> sha256_of_file(int fd);

/// The descriptors of a job's frame, given their places. Errors: too few or too many.
Result<JobFiles> job_files(const Job& job, std::vector<Fd> fds);

}  // namespace shrike::sandbox
