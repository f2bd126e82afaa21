#pragma once
// One system call while it is served: its arguments, copied once, and what handlers need.

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {

/// A handler returns this when it has put the thread into waiting; the result comes later.
inline constexpr int64_t waiting = INT64_MIN;
/// The call does not come back to the program that made it: exit, exec, sigreturn.
inline constexpr int64_t no_return = INT64_MIN + 1;

struct Request {
  System& system;
  Thread& thread;
  Process& process;
  const std::array<uint64_t, 6> args;
  UserMemory memory;

  Request(System& the_system, Thread& the_thread);

  [[nodiscard]] int number(size_t argument) const { return static_cast<int>(args[argument]); }
  [[nodiscard]] FilePtr file(size_t argument) const { return process.files->get(number(argument)); }
  [[nodiscard]] uint64_t descriptor_limit() const { return process.limits[RLIMIT_NOFILE].rlim_cur; }
  [[nodiscard]] const Place& place() const { return process.folders->place; }

  /// Copies a path and tells it. 0 or -errno.
  int64_t path(size_t argument, std::string& out, TextKind kind = TextKind::path);
  /// The folder that relative paths of an *at call begin at: null for AT_FDCWD. -EBADF, -ENOTDIR.
  int64_t base(size_t argument, std::shared_ptr<Node>& out) const;
  /// Path to what it leads to; `folder` is the argument with the descriptor, or no_folder. Tells both texts.
  int64_t find(size_t folder, size_t argument, bool follow, Found& out, bool second = false);
  /// The same up to the look-up: the text and where it begins.
  int64_t path_from(size_t folder, size_t argument, std::string& text, std::shared_ptr<Node>& from,
                    bool second = false);
  /// The same, and -ENOENT where nothing is there.
  int64_t find_there(size_t folder, size_t argument, bool follow, Found& out);
  /// The same for calls that make, rename and remove names: what is at the end is never followed.
  int64_t find_name(size_t folder, size_t argument, Found& out, bool second = false);
  static constexpr size_t no_folder = 99;

  void tell(TextKind kind, std::string text);
  void tell_found(const Found& found, bool second);
  /// Puts the thread to sleep until `what` has a result; asks it at once. Returns that, or `waiting`.
  int64_t wait(Wait what);
  /// The call is refused by policy: `error` in profile observe, the end of the job in strict.
  int64_t refuse(const std::string& call, int64_t error);
  /// A part of the call that we do not have: counted as unknown, named.
  int64_t unsupported(const std::string& what, int64_t error);
  /// A new descriptor for `file`, or -EMFILE.
  int64_t install(FilePtr file, bool close_on_exec);
};

using Handler = int64_t (*)(Request&);

}  // namespace shrike::sandbox::microvm
