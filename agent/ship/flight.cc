#include "agent/ship/flight.h"

#include <algorithm>

namespace shrike::ship {
namespace {
std::chrono::milliseconds doubled(std::chrono::milliseconds wait, uint32_t times, std::chrono::milliseconds most) {
  return std::min(most, wait * (1 << std::min(times, 10u)));
}
}  // namespace

bool Flight::has_room() const {
  if (alone_) return waiting_.empty();
  return waiting_.size() < limits_.batches && (waiting_.empty() || bytes_ < limits_.bytes);
}

void Flight::on_sent(const BootId& boot, uint64_t seq, size_t bytes, Time now) {
  if (waiting_.empty()) resend_at_ = now + doubled(limits_.resend_after, doublings_, limits_.resend_most);
  waiting_.push_back({boot, seq, bytes});
  bytes_ += bytes;
}

void Flight::on_ack(const BootId& boot, uint64_t seq, Verdict verdict, Time now) {
  // Found from behind: one acknowledgement is for all before it, whatever boot they are of.
  const auto at = std::find_if(waiting_.rbegin(), waiting_.rend(),
                               [&](const Sent& sent) { return sent.boot == boot && sent.seq <= seq; });
  if (at != waiting_.rend()) {
    for (auto left = waiting_.rend() - at; left > 0; --left) {
      bytes_ -= waiting_.front().bytes;
      waiting_.pop_front();
    }
    doublings_ = 0;
    alone_ = false;
    resend_at_ = now + limits_.resend_after;
    return;
  }
  if (waiting_.empty()) return;
  // The collector is there and hears us, but not what it needs next. Ids already used would be dropped on the way.
  salted_ = true;
  if (verdict == Verdict::gap) retry_at(now + doubled(limits_.retry_after, doublings_, limits_.resend_most));
}

void Flight::on_refused(Time now) {
  alone_ = true;
  retry_at(now + doubled(limits_.retry_after, doublings_, limits_.resend_most));
}

void Flight::on_connected(Time now) {
  doublings_ = 0;
  alone_ = false;
  retry_at(now);
}

void Flight::restart(Time now) {
  // Silence is answered by one batch with a new id: if the collector is there after all, it will answer that one.
  alone_ = alone_ || (doublings_ > 0 && !salted_);
  if (salted_ || doublings_ > 0) ++salt_;
  salted_ = false;
  ++doublings_;
  waiting_.clear();
  bytes_ = 0;
  resend_at_ = now + doubled(limits_.resend_after, doublings_, limits_.resend_most);
}

}  // namespace shrike::ship
