// timerfd.

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t never = UINT64_MAX;

bool valid(const struct ::timespec& time) {
  return time.tv_sec >= 0 && time.tv_nsec >= 0 && static_cast<uint64_t>(time.tv_nsec) < second_ns;
}

/// Nanoseconds, as many as fit.
uint64_t ns_of(const struct ::timespec& time) {
  const auto seconds = static_cast<uint64_t>(time.tv_sec);
  return seconds > 9'000'000'000 ? 9'000'000'000 * second_ns
                                 : seconds * second_ns + static_cast<uint64_t>(time.tv_nsec);
}

struct ::timespec time_of(uint64_t ns) {
  return {static_cast<time_t>(ns / second_ns), static_cast<long>(ns % second_ns)};
}

class Timer final : public TimerFile {
 public:
  Timer(NodePtr node, int clock, ClockNow now) : node_(std::move(node)), clock_(clock), now_(std::move(now)) {}

  int64_t set(int set_flags, const struct ::itimerspec& value, struct ::itimerspec& old) override {
    if ((set_flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) != 0) return -EINVAL;
    if (!valid(value.it_value) || !valid(value.it_interval)) return -EINVAL;
    get(old);
    const uint64_t first = ns_of(value.it_value);
    ticks_ = 0;
    interval_ = ns_of(value.it_interval);
    next_ = first == 0 ? never : (set_flags & TFD_TIMER_ABSTIME) != 0 ? first : now_(clock_) + first;
    ++set_;
    return 0;
  }

  int64_t get(struct ::itimerspec& out) override {
    run();
    const uint64_t now = now_(clock_);
    out.it_interval = time_of(interval_);
    // One that is due has still a moment to go: 0 would say that it is not set.
    out.it_value = time_of(next_ == never ? 0 : next_ > now ? next_ - now : 1);
    return 0;
  }

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    if (out.size() < sizeof ticks_) return -EINVAL;
    run();
    if (ticks_ == 0) return -EAGAIN;
    std::memcpy(out.data(), &ticks_, sizeof ticks_);
    ticks_ = 0;
    return sizeof ticks_;
  }

  int64_t write(std::span<const std::byte>, std::optional<uint64_t>) override { return -EINVAL; }
  [[nodiscard]] uint32_t poll() const override { return ticks_ > 0 || next_ <= now_(clock_) ? POLLIN : 0u; }

  [[nodiscard]] std::optional<uint64_t> wakes_at() const override {
    if (next_ == never || ticks_ > 0) return std::nullopt;
    const uint64_t now = now_(clock_), here = now_(CLOCK_MONOTONIC);
    return next_ > now ? here + (next_ - now) : here;
  }

  [[nodiscard]] uint64_t activity(uint32_t events) const override {
    if ((events & POLLIN) == 0) return 0;
    const_cast<Timer*>(this)->run();
    return fired_ + set_;
  }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  /// Counts what has expired since the last time.
  void run() {
    const uint64_t now = now_(clock_);
    if (next_ > now) return;
    const uint64_t count = interval_ == 0 ? 1 : 1 + (now - next_) / interval_;
    ticks_ += count;
    fired_ += count;
    next_ = interval_ == 0 ? never : next_ + count * interval_;
  }

  NodePtr node_;
  int clock_;
  ClockNow now_;
  uint64_t next_ = never, interval_ = 0, ticks_ = 0, fired_ = 0, set_ = 0;
};

}  // namespace

int64_t make_timer(const StorePtr& store, int clock, int flags, ClockNow now, std::shared_ptr<TimerFile>& out) {
  const bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
                     clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
  if (!known || (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) != 0) return -EINVAL;
  NodePtr node = anonymous_node(store, "timerfd");
  if (!node) return -ENFILE;
  out = std::make_shared<Timer>(std::move(node), clock, std::move(now));
  out->flags = O_RDWR | static_cast<uint32_t>(flags & TFD_NONBLOCK);
  return 0;
}

}  // namespace shrike::sandbox::microvm
