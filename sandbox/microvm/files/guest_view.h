#pragma once
// What /proc tells of the guest's processes and of the guest: kernel/ has it, files/ shows it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

/// What the guest says it is: uname(2), sched_getaffinity(2), sysinfo(2) and /proc must agree.
inline constexpr const char* guest_release = "6.1.0-28-amd64";
inline constexpr const char* guest_version = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)";
inline constexpr unsigned guest_cpus = 2;

struct ProcessFacts {
  uint32_t pid = 0, parent = 0, group = 0, session = 0;
  std::string comm;
  char state = 'R';
  uint32_t uid = 0, gid = 0;
  uint64_t total_bytes = 0, resident_bytes = 0;
  uint64_t user_ns = 0, start_ns = 0;  ///< start: virtual, since boot
  std::vector<uint32_t> threads;
  uint32_t umask = 022;
  uint64_t pending = 0, blocked = 0, ignored = 0, caught = 0;  ///< signals, bit n - 1
};

class GuestView {
 public:
  virtual ~GuestView() = default;
  /// Of the process that makes the call being served: /proc/self.
  [[nodiscard]] virtual uint32_t current_process() const = 0;
  [[nodiscard]] virtual uint32_t current_thread() const = 0;
  [[nodiscard]] virtual std::vector<uint32_t> processes() const = 0;
  [[nodiscard]] virtual std::optional<ProcessFacts> facts(uint32_t pid) const = 0;
  [[nodiscard]] virtual std::string argv(uint32_t pid) const = 0;     ///< NUL behind each
  [[nodiscard]] virtual std::string environ(uint32_t pid) const = 0;  ///< the same
  [[nodiscard]] virtual std::string maps(uint32_t pid) const = 0;     ///< text of /proc/PID/maps
  [[nodiscard]] virtual std::shared_ptr<Node> exe(uint32_t pid) const = 0;
  [[nodiscard]] virtual std::optional<Place> place(uint32_t pid) const = 0;  ///< cwd and root
  [[nodiscard]] virtual std::vector<int> descriptors(uint32_t pid) const = 0;
  [[nodiscard]] virtual FilePtr descriptor(uint32_t pid, int fd) const = 0;
  [[nodiscard]] virtual std::string auxv(uint32_t) const { return {}; }  ///< bytes, as on the stack

  [[nodiscard]] virtual uint64_t up_ns() const { return 0; }    ///< virtual, since boot
  [[nodiscard]] virtual uint64_t real_ns() const { return 0; }  ///< virtual CLOCK_REALTIME
  [[nodiscard]] virtual uint64_t memory_bytes() const { return uint64_t{4} << 30; }
  [[nodiscard]] virtual uint64_t free_bytes() const { return uint64_t{3} << 30; }
  [[nodiscard]] virtual std::string host_name() const { return "host"; }
};

/// Mounts /proc, /sys and /dev/pts, which ask `view` whenever they are read: it must be there as long as anyone does.
void mount_proc(FileSystem& files, const GuestView& view);

}  // namespace shrike::sandbox::microvm
