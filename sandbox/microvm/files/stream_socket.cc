#include "sandbox/microvm/files/stream_socket.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace shrike::sandbox::microvm {

StreamSocket::~StreamSocket() {
  if (out_) out_->ended = true;
  if (!in_) return;
  in_->broken = true;
  if (!in_->queue.empty() && out_) out_->reset = true;
  in_->queue.clear();
}

void StreamSocket::join(StreamSocket& first, StreamSocket& second) {
  first.in_ = second.out_ = std::make_shared<Lane>(first.state());
  first.out_ = second.in_ = std::make_shared<Lane>(first.state());
  first.peer_pid_ = second.pid();
  second.peer_pid_ = first.pid();
}

int64_t StreamSocket::listen(int backlog) {
  if (connected()) return -EINVAL;
  if (const int64_t error = may_listen(); error < 0) return error;
  listening_ = true;
  backlog_ = 1 + std::min(static_cast<size_t>(std::max(backlog, 0)), backlog_max);
  return 0;
}

std::shared_ptr<StreamSocket> StreamSocket::ask(StreamSocket& listener, int64_t& error) {
  error = -ECONNREFUSED;
  if (!listener.listening_) return nullptr;
  if (listener.pending_.size() >= listener.backlog_) {
    if (family() == AF_UNIX && (flags & O_NONBLOCK) != 0) error = -EAGAIN;
    return nullptr;
  }
  auto accepted = listener.make_accepted();
  if (!accepted || !accepted->made()) return nullptr;
  join(*this, *accepted);
  state()->keep(accepted);
  listener.pending_.push_back(accepted);
  ++listener.arrived_;
  error = 0;
  return accepted;
}

int64_t StreamSocket::accept(std::shared_ptr<Socket>& out) {
  if (!listening_) return -EINVAL;
  if (reads_shut_) return -EINVAL;
  if (pending_.empty()) return -EAGAIN;
  out = std::move(pending_.front());
  pending_.pop_front();
  return 0;
}

int64_t StreamSocket::shutdown(int how) {
  if (!connected() && !listening_) return how < SHUT_RD || how > SHUT_RDWR ? -EINVAL : -ENOTCONN;
  if (const int64_t error = BasicSocket::shutdown(how); error < 0) return error;
  if (writes_shut_ && out_) out_->ended = true, ++out_->queue.pushed;
  if (reads_shut_ && in_ && family() == AF_UNIX) in_->broken = true, ++in_->queue.popped;
  ++arrived_;
  return 0;
}

int64_t StreamSocket::send(const Place&, std::span<const std::byte> bytes, const Message& message, int send_flags) {
  if ((send_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if (!connected()) return family() == AF_UNIX ? -ENOTCONN : -EPIPE;
  if (!message.address.empty() && family() == AF_UNIX) return -EISCONN;
  if (writes_shut_ || out_->broken) return -EPIPE;
  if (by_packets() && bytes.size() > MessageQueue::capacity) return -EMSGSIZE;
  if (send_outside(bytes)) return static_cast<int64_t>(bytes.size());
  if (bytes.empty() && !by_packets()) return 0;
  const size_t free = out_->queue.free();
  if (free == 0 || (by_packets() && free < bytes.size())) return -EAGAIN;
  bytes = bytes.first(std::min(bytes.size(), free));
  Segment segment;
  segment.pid = message.sender;
  if (const int64_t error = pass(message, segment.passing); error < 0) return error;
  segment.bytes.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (by_packets()) {
    out_->queue.push(std::move(segment));
  } else {
    out_->queue.append(std::move(segment));
  }
  return static_cast<int64_t>(bytes.size());
}

int64_t StreamSocket::receive(std::span<std::byte> out, Message& message, int receive_flags) {
  if ((receive_flags & MSG_OOB) != 0) return -EINVAL;
  if (!connected()) return -ENOTCONN;
  if (in_->queue.empty()) {
    if (in_->reset) {
      in_->reset = false;
      return -ECONNRESET;
    }
    return ended() || reads_shut_ ? 0 : -EAGAIN;
  }
  const bool peek = (receive_flags & MSG_PEEK) != 0;
  if (by_packets()) return in_->queue.take_message(out, message, peek, (receive_flags & MSG_TRUNC) != 0);
  return out.empty() ? 0 : in_->queue.take_stream(out, message, peek);
}

uint32_t StreamSocket::poll() const {
  if (listening_) return pending_.empty() ? (reads_shut_ ? POLLHUP : 0u) : POLLIN | POLLRDNORM;
  if (!connected()) return POLLOUT | POLLWRNORM | POLLHUP;
  uint32_t events = 0;
  const bool over = ended() || reads_shut_;
  if (!in_->queue.empty() || over || in_->reset) events |= POLLIN | POLLRDNORM;
  if (over) events |= POLLRDHUP;
  if (over && (writes_shut_ || out_->broken)) events |= POLLHUP;
  if (in_->reset) events |= POLLERR;
  if (out_->broken || writes_shut_ || out_->queue.free() >= 2048) events |= POLLOUT | POLLWRNORM;
  return events;
}

uint64_t StreamSocket::activity(uint32_t events) const {
  uint64_t sum = arrived_;
  if (!connected()) return sum;
  if ((events & POLLIN) != 0) sum += in_->queue.pushed + (ended() ? 1 : 0);
  if ((events & POLLOUT) != 0) sum += out_->queue.popped + (out_->broken ? 1 : 0);
  return sum;
}

void StreamSocket::drop_messages() {
  if (in_) in_->queue.clear();
  std::deque<std::shared_ptr<StreamSocket>> doomed;
  doomed.swap(pending_);
}

}  // namespace shrike::sandbox::microvm
