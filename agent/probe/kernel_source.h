#pragma once
// The kernel end of the pipeline: loads the BPF programs, gives them their filter, and hands out records in the order
// in which they happened.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/probe/merge.h"
#include "agent/probe/sequence_object.h"
#include "common/base/result.h"
#include "common/wire/filter.h"

namespace shrike::probe {

struct ProbeOptions {
  size_t reserved_ring_bytes = 4u << 20;   ///< lifecycle, privilege, integrity; rounded up to a power of two of pages
  size_t shard_ring_bytes = 1u << 20;      ///< each of the rings for file and network
  uint32_t shards = 0;                     ///< rounded up to a power of two; 0: as many as cores, at most 16
  uint64_t budget_per_s = 0;               ///< file and network events per second and cgroup; 0: no limit
  uint64_t budget_burst = 0;               ///< how many may come at once; 0: one second's worth
  uint32_t self_tgid = 0;                  ///< whose file and network events stay in the kernel; 0: this process
  SequenceOptions sequence = {};           ///< off: its programs are not loaded
  std::chrono::microseconds gather{1000};  ///< after a drain, how long to let records gather before the next
};

/// What this kernel lets us do. Found by trying, never by version.
struct Features {
  bool bpf_lsm = false;            ///< BPF LSM programs can be loaded and are in the active LSM list
  bool denies = false;             ///< what the filter's denials name is refused
  bool io_uring_ops = false;       ///< every submitted io_uring operation is seen
  bool cgroup_v2 = false;          ///< a v2 hierarchy is mounted
  bool signal_origin = false;      ///< signals are seen where they are made, not only where they are asked for
  bool tcp_state = false;          ///< TCP state changes are seen
  bool late_arguments = false;     ///< arguments of a failed exec are read also where nobody has touched them
  bool task_iterator = false;      ///< processes that were there before us can be listed
  bool sequence = false;           ///< sequence scoring runs
  std::vector<std::string> notes;  ///< for each thing that is missing: what, why, and what is lost by it
};

/// Why records did not reach a ring.
enum class Loss : uint8_t { ring_full, budget, too_large };
inline constexpr size_t loss_count = 3;

/// Whom a lost record belonged to; equal to enum shrike_class.
enum class EventClass : uint8_t { lifecycle, privilege, file, network };
inline constexpr size_t event_class_count = 4;

/// Totals since open(), over all generations.
struct Counters {
  std::array<uint64_t, event_class_count> events{};  ///< records put into a ring
  std::array<std::array<uint64_t, loss_count>, event_class_count> lost{};
  uint64_t self = 0;         ///< our own file and network events, which stay in the kernel
  uint64_t ring_damage = 0;  ///< ring headers that made no sense; never seen, but not believed either
  struct Program {
    std::string name;
    uint32_t id = 0;
    uint64_t runs = 0;
  };
  std::vector<Program> programs;  ///< of the generation that reports now: the heartbeat
  struct Ring {
    uint64_t size_bytes = 0;
    uint64_t used_bytes = 0;
  };
  std::vector<Ring> rings;  ///< the reserved ring first
};

/// Not thread-safe, except that counters(), ids(), features() and one reload() at a time may run in another thread than
/// poll().
class KernelSource {
 public:
  /// Loads, attaches, and begins to report what `filter` lets through.
  /// Errors: no BTF, no permission (what is missing), a program the kernel refuses (its name and the verifier's last
  /// lines), a filter that is too large for its maps. What a kernel merely lacks is not an error: see features().
  static Result<KernelSource> open(const ProbeOptions& options, const FilterSpec& filter);
  KernelSource(KernelSource&&) noexcept;
  KernelSource& operator=(KernelSource&&) noexcept;
  ~KernelSource();

  /// Hands out every record that is there, in order of kernel time; when there is none, waits for one at most `timeout`
  /// (also shorter: a caller asks in a loop). A record about a process comes before every record that needs it.
  /// Returns how many: when any, the programs take us for awake and wake nobody until a poll() found nothing.
  /// Errors: epoll's.
  Result<size_t> poll(std::chrono::milliseconds timeout, const RecordCallback& callback);
  /// Readable when there is something to poll(), if the last one found nothing; for a caller's own event loop, which
  /// polls now and then without that too.
  [[nodiscard]] int epoll_fd() const;

  /// A `task` record for every process that is there now. Call it after open(), before the first poll(): what happens
  /// meanwhile waits in the rings.
  Result<size_t> prime(const RecordCallback& callback);

  /// Changes what is let through, without losing an event. One that another core reports at the very moment of the
  /// switch can come twice, once from each generation. `sequence`: sequence scoring begins anew with this, or ends;
  /// null: it goes on as it is. On error the old filter stays in force.
  Result<void> reload(const FilterSpec& filter, const SequenceOptions* sequence = nullptr);

  /// What becomes of what the filter's denials name: nothing (at first), or it is told, or refused too. At once; over
  /// reloads. Any thread. Errors: the kernel's.
  enum class Deny : uint8_t { off, tell, refuse };
  Result<void> set_deny(Deny mode);

  [[nodiscard]] Counters counters() const;
  [[nodiscard]] Features features() const;
  /// What sequence scoring knows now, and its totals; nothing where it does not run. Any thread.
  [[nodiscard]] std::vector<SequenceProfile> sequence_profiles() const;
  [[nodiscard]] SequenceCounters sequence_counters() const;
  /// Kernel ids of our programs, maps and links: a bpf() call on one of these by another process is an attack on us.
  struct Ids {
    std::vector<uint32_t> programs;
    std::vector<uint32_t> maps;
    std::vector<uint32_t> links;
  };
  [[nodiscard]] Ids ids() const;

 private:
  struct Impl;
  explicit KernelSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::probe
