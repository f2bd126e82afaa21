#pragma once
// Makes paths absolute: keeps, from the calls themselves, each process's working directory and what its descriptors
// stand for, and adds full_path and full_path2 to calls that have a path. Links are not followed: it is what the
// program said, read from where it said it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sandbox/call.h"

namespace shrike::sandbox {

class Paths final : public CallSink {
 public:
  /// Passes everything on to `next`. The first process begins in `cwd`.
  Paths(CallSink& next, std::string cwd) : next_(next), cwd_(std::move(cwd)) {}
  void call(const Call& call) override;

 private:
  struct Process {
    std::string cwd;
    std::map<int32_t, std::string> folders;  // descriptor to path
  };
  Process& process(uint32_t pid);
  void complete(Call& call);
  void follow(const Call& call);
  static std::string absolute(const Process& p, int32_t at, std::string_view path);
  void keep_folder(Process& p, int64_t fd, const std::string& path);
  void forget_folder(Process& p, int64_t fd);
  void forget(uint32_t pid);

  CallSink& next_;
  std::string cwd_;
  std::map<uint32_t, Process> processes_;
  size_t folder_bytes_ = 0;  // of all: what a program opens costs it nothing, and us memory
};

/// `path` from `base` without "." and ".." and doubled slashes; ".." at the root stays there. Pure.
std::string join_path(std::string_view base, std::string_view path);

}  // namespace shrike::sandbox
