#pragma once
// What /proc tells of the guest's processes: kernel/ has them, files/ shows them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

struct ProcessFacts {
  uint32_t pid = 0, parent = 0, group = 0, session = 0;
  std::string comm;
  char state = 'R';
  uint32_t uid = 0, gid = 0;
  uint64_t total_bytes = 0, resident_bytes = 0;
  uint64_t user_ns = 0, start_ns = 0;  ///< start: virtual, since boot
  std::vector<uint32_t> threads;
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
};

}  // namespace shrike::sandbox::microvm
