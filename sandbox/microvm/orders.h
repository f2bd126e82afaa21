#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// What a machine's process is told besides its job, in memory that it shares with its parent, who believes nothing
/// that is in it.
struct Orders {
  std::atomic<uint32_t> stop{0};  ///< not 0: end the job now
  uint64_t seed = 0;              ///< of everything random in the guest
  uint64_t wall_start_ns = 0;     ///< the guest's CLOCK_REALTIME at its start
};

/// A new seed, and now as the start. Errors: errno.
Result<void> give_orders(Orders& orders);

class SharedOrders {
 public:
  /// Errors: errno of mmap.
  static Result<SharedOrders> create() {
    void* at = ::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return errno_error("memory shared with a machine");
    return SharedOrders(::new (at) Orders);
  }
  SharedOrders(SharedOrders&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  SharedOrders& operator=(SharedOrders&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~SharedOrders() {
    if (at_ != nullptr) ::munmap(at_, sizeof(Orders));
  }
  Orders* operator->() const { return at_; }
  Orders& operator*() const { return *at_; }

 private:
  explicit SharedOrders(Orders* at) : at_(at) {}
  Orders* at_;
};

}  // namespace shrike::sandbox::microvm
