#pragma once
// The sha256 of a file, piece by piece: while a job runs there is always something else to do first.

#include <memory>
#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

class FileHash {
 public:
  explicit FileHash(Fd file);
  ~FileHash();
  FileHash(const FileHash&) = delete;
  FileHash& operator=(const FileHash&) = delete;
  /// Reads on, 128 KiB at most. True when all of it is read. Errors: errno; the library's.
  Result<bool> more();
  /// Reads what is left. Hexadecimal.
  Result<std::string> finish();

 private:
  struct State;
  Fd file_;
  uint64_t at_ = 0;
  bool whole_ = false;
  std::unique_ptr<State> state_;
};

}  // namespace shrike::sandbox::microvm
