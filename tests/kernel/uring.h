#pragma once
// io_uring by hand: no library needed.

#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>

#include "common/base/fd.h"

namespace shrike::test {

/// One submission queue, as small as can be.
class Uring {
 public:
  Uring() {
    fd_ = Fd(static_cast<int>(::syscall(SYS_io_uring_setup, 8, &parameters_)));
    if (!fd_.valid()) return;
    ring_ = map(parameters_.sq_off.array + parameters_.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    done_ = map(parameters_.cq_off.cqes + parameters_.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
    entries_ = static_cast<io_uring_sqe*>(map(parameters_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
  }
  [[nodiscard]] bool valid() const { return fd_.valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Submits one operation and waits for its end.
  void submit(const std::function<void(io_uring_sqe&)>& fill) {
    auto* tail = static_cast<unsigned*>(at(parameters_.sq_off.tail));
    const unsigned index = *tail & (parameters_.sq_entries - 1);
    entries_[index] = io_uring_sqe{};
    fill(entries_[index]);
    static_cast<unsigned*>(at(parameters_.sq_off.array))[index] = index;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    ++submitted_;
    ASSERT_EQ(::syscall(SYS_io_uring_enter, fd_.get(), 1, submitted_, IORING_ENTER_GETEVENTS, nullptr, 0), 1);
  }
  /// Of the operation submitted last.
  [[nodiscard]] int result() const {
    const auto* entries = static_cast<const io_uring_cqe*>(
        static_cast<const void*>(static_cast<const char*>(done_) + parameters_.cq_off.cqes));
    return entries[(submitted_ - 1) & (parameters_.cq_entries - 1)].res;
  }

 private:
  void* map(size_t size, off_t offset) {
    return ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(), offset);
  }
  void* at(unsigned offset) { return static_cast<char*>(ring_) + offset; }

  io_uring_params parameters_{};
  Fd fd_;
  void* ring_ = nullptr;
  void* done_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
  unsigned submitted_ = 0;
};

}  // namespace shrike::test
