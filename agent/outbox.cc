#include "agent/outbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace shrike::agent {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr size_t item_overhead = 128;
constexpr size_t alert_weight = 2048;  // about

size_t weight(const Outbox::Item& item) { return item.event.size() + (item.alert ? alert_weight : 0) + item_overhead; }

}  // namespace

Result<std::unique_ptr<Outbox>> Outbox::make(uint64_t events_per_s) {
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return errno_error("eventfd");
  return std::unique_ptr<Outbox>(new Outbox(std::max<uint64_t>(events_per_s, 1), std::move(wake)));
}

void Outbox::signal() const {
  const uint64_t one = 1;
  // Fails only when it is readable already.
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

bool Outbox::put_event(std::string event, uint64_t time_ns) {
  Item item{std::move(event), time_ns, std::nullopt, false};
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return closed_ || bytes_ < bytes_max; });
    if (closed_) return false;
    bytes_ += weight(item);
    events_.push_back(std::move(item));
  }
  signal();
  return true;
}

void Outbox::put(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if (urgent_bytes_ >= bytes_max) {
      ++lost_;
      return;
    }
    urgent_bytes_ += weight(item);
    urgent_.push_back(std::move(item));
  }
  signal();
}

std::optional<Outbox::Item> Outbox::take(uint64_t boot_ns) {
  const std::lock_guard lock(mutex_);
  if (!urgent_.empty()) {
    Item item = std::move(urgent_.front());
    urgent_.pop_front();
    urgent_bytes_ -= weight(item);
    return item;
  }
  if (events_.empty()) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof count);
    return std::nullopt;
  }
  // A tenth of a second's worth may come at once.
  const uint64_t burst_ns = second_ns / 10;
  pace_ns_ = std::max(pace_ns_, boot_ns - std::min(boot_ns, burst_ns));
  if (!closed_ && pace_ns_ > boot_ns) {
    uint64_t count = 0;  // or the loop would be woken for what it may not take; it looks again by itself
    [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof count);
    return std::nullopt;
  }
  pace_ns_ += second_ns / per_s_;
  Item item = std::move(events_.front());
  events_.pop_front();
  bytes_ -= weight(item);
  if (bytes_ < bytes_max) room_.notify_all();
  return item;
}

uint64_t Outbox::lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void Outbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  room_.notify_all();
}

}  // namespace shrike::agent
