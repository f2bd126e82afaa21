#include "sandbox/teller.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/base/bytes.h"

namespace shrike::sandbox {

Teller::Teller(Fd socket, const Limits& limits) : socket_(std::move(socket)), limits_(limits) {}

void Teller::put(Frame type, std::string_view payload) {
  if (gone_) return;
  queue_ += frame_header(type, payload.size());
  queue_ += payload;
}

void Teller::output(Frame type, Output& counted, std::string_view bytes) {
  const uint64_t room = limits_.output_bytes - std::min(limits_.output_bytes, counted.kept);
  const auto kept = bytes.substr(0, room);
  counted.kept += kept.size();
  counted.dropped += bytes.size() - kept.size();
  if (!kept.empty()) put(type, kept);
}

void Teller::out(std::string_view bytes) { output(Frame::out, out_, bytes); }
void Teller::err(std::string_view bytes) { output(Frame::err, err_, bytes); }

void Teller::begun(uint64_t boot_ns) {
  char bytes[8];
  store_le(bytes, boot_ns);
  put(Frame::begun, {bytes, sizeof bytes});
}

Result<void> Teller::placed(const JobPlace& place, std::chrono::milliseconds patience) {
  put(Frame::placed, place_bytes(place));
  const std::string go = frame_header(Frame::go, 0);
  std::string said;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (said.size() < go.size() && !gone_) {
    send_some();
    pollfd ready{socket_.get(), static_cast<short>(POLLIN | (queue_.size() > sent_ ? POLLOUT : 0)), 0};
    ::poll(&ready, 1, 100);
    char bytes[16];
    const ssize_t got = ::recv(socket_.get(), bytes, go.size() - said.size(), MSG_DONTWAIT);
    if (got > 0) said.append(bytes, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) gone_ = true;
    if (got < 0 && std::chrono::steady_clock::now() >= deadline)
      return Error{"the client does not say that the program may be started"};
  }
  // All else that a client can say means "stop".
  if (said != go) stop_ = true;
  return {};
}

void Teller::call(const Call& call) {
  if (gone_ || told_ >= limits_.calls || queue_.size() - sent_ + calls_.size() > queue_max) {
    ++dropped_;
    return;
  }
  encode_call(call, calls_);
  ++told_;
  if (calls_.size() >= batch_bytes) flush_calls();
}

void Teller::flush_calls() {
  if (calls_.empty()) return;
  put(Frame::calls, calls_);
  calls_.clear();
}

void Teller::send_some() {
  while (sent_ < queue_.size() && !gone_) {
    const ssize_t done =
        ::send(socket_.get(), queue_.data() + sent_, queue_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno != EAGAIN) gone_ = true;
    if (done <= 0) break;
    sent_ += static_cast<size_t>(done);
  }
  // Moved together only when half of it is gone: each byte is moved once at most.
  if (gone_ || sent_ * 2 >= queue_.size()) {
    queue_.erase(0, gone_ ? queue_.size() : sent_);
    sent_ = 0;
  }
}

short Teller::wanted() const {
  if (gone_) return 0;
  return static_cast<short>((stop_ ? 0 : POLLIN) | (queue_.size() > sent_ ? POLLOUT : 0));
}

void Teller::exchange() {
  flush_calls();
  send_some();
  char bytes[64];
  while (!stop_ && !gone_) {
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    // Anything said now means "stop", an end of file too: nobody is there to hear the report.
    stop_ = true;
    if (got < 0) gone_ = true;
  }
  if (gone_) stop_ = true;
}

void Teller::fill(Report& report) const {
  report.events_told = told_;
  report.events_dropped = dropped_;
  report.stdout_kept = out_.kept;
  report.stdout_dropped = out_.dropped;
  report.stderr_kept = err_.kept;
  report.stderr_dropped = err_.dropped;
}

Result<void> Teller::finish(const Report& report, std::chrono::milliseconds patience) {
  flush_calls();
  put(Frame::report, report_to_json(report, frame_payload_max));
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!gone_ && queue_.size() > sent_) {
    const size_t before = queue_.size() - sent_;
    send_some();
    const auto now = std::chrono::steady_clock::now();
    if (queue_.size() - sent_ < before) deadline = now + patience;
    if (now >= deadline) return Error{"the client takes nothing: the report is given up"};
    pollfd ready{socket_.get(), POLLOUT, 0};
    if (queue_.size() > sent_) ::poll(&ready, 1, 100);
  }
  if (gone_) return Error{"the client has gone: nobody takes the report"};
  return {};
}

}  // namespace shrike::sandbox
