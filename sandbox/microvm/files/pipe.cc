#include "sandbox/microvm/files/pipe.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"

namespace shrike::sandbox::microvm {

PipeNode::PipeNode(StorePtr store, uint32_t mode, bool anonymous)
    : Node(std::move(store), S_IFIFO | mode, anonymous ? Volume::pipes : Volume::root), anonymous_(anonymous) {}

PipeNode::~PipeNode() { store()->account->buffers.give_back(charged_); }

std::string PipeNode::own_name() const { return anonymous_ ? "pipe:[" + std::to_string(number()) + "]" : ""; }

int64_t PipeNode::open(int flags, FilePtr& out) {
  if ((flags & O_ACCMODE) == O_WRONLY && (flags & O_NONBLOCK) != 0 && readers_ == 0) return -ENXIO;
  out = std::make_shared<PipeFile>(std::static_pointer_cast<PipeNode>(shared_from_this()), flags);
  return 0;
}

size_t PipeNode::free() const {
  const size_t room = capacity_ - std::min(capacity_, held());
  const size_t unpaid = PIPE_BUF - std::min<size_t>(PIPE_BUF, held());
  return std::min<uint64_t>(room, unpaid + store()->account->buffers.left());
}

void PipeNode::put(std::span<const std::byte> in) {
  const size_t now = held() + in.size();
  const uint64_t due = now > PIPE_BUF ? now - PIPE_BUF : 0;
  if (due > charged_ && store()->account->buffers.take(due - charged_)) charged_ = due;
  data_.append(reinterpret_cast<const char*>(in.data()), in.size());
  ++in_;
  touch();
}

size_t PipeNode::take(std::span<std::byte> out) {
  const size_t count = std::min(out.size(), held());
  copy_bytes(out.data(), data_.data() + head_, count);
  head_ += count;
  if (held() == 0) {
    data_.clear();
    head_ = 0;
  } else if (head_ > data_.size() / 2) {
    data_.erase(0, head_);
    head_ = 0;
  }
  const uint64_t due = held() > PIPE_BUF ? held() - PIPE_BUF : 0;
  if (due < charged_) {
    store()->account->buffers.give_back(charged_ - due);
    charged_ = due;
  }
  ++out_;
  return count;
}

void PipeNode::close_end() {
  ++in_;
  ++out_;
  if (readers_ != 0 || writers_ != 0) return;
  std::string().swap(data_);
  head_ = 0;
  store()->account->buffers.give_back(charged_);
  charged_ = 0;
}

PipeFile::PipeFile(std::shared_ptr<PipeNode> node, int open_flags) : node_(std::move(node)) {
  flags = static_cast<uint32_t>(open_flags);
  readers_ever_ = node_->readers_ever_;
  writers_ever_ = node_->writers_ever_;
  if (readable()) ++node_->readers_, ++node_->readers_ever_, ++node_->out_;
  if (writable()) ++node_->writers_, ++node_->writers_ever_, ++node_->in_;
}

PipeFile::~PipeFile() {
  if (readable()) --node_->readers_;
  if (writable()) --node_->writers_;
  node_->close_end();
}

int64_t PipeFile::read(std::span<std::byte> out, std::optional<uint64_t> at) {
  if (at) return -ESPIPE;
  if (!readable()) return -EBADF;
  if (out.empty()) return 0;
  if (node_->held() == 0) return node_->writers_ == 0 ? 0 : -EAGAIN;
  return static_cast<int64_t>(node_->take(out));
}

int64_t PipeFile::write(std::span<const std::byte> in, std::optional<uint64_t> at) {
  if (at) return -ESPIPE;
  if (!writable()) return -EBADF;
  if (in.empty()) return 0;
  if (node_->readers_ == 0) return -EPIPE;
  const size_t free = node_->free();
  if (free == 0 || (in.size() <= PIPE_BUF && free < in.size())) return -EAGAIN;
  in = in.first(std::min(in.size(), free));
  node_->put(in);
  return static_cast<int64_t>(in.size());
}

uint32_t PipeFile::poll() const {
  uint32_t events = 0;
  if (readable()) {
    if (node_->held() > 0) events |= POLLIN | POLLRDNORM;
    // Nobody has written yet: a named pipe's reader waits, it has not been hung up on.
    if (node_->writers_ == 0 && node_->writers_ever_ != writers_ever_) events |= POLLHUP;
  }
  if (writable()) {
    if (node_->readers_ == 0) events |= POLLERR;
    if (node_->free() >= PIPE_BUF || node_->readers_ == 0) events |= POLLOUT | POLLWRNORM;
  }
  return events;
}

int64_t PipeFile::control(uint64_t command, uint64_t value, std::span<std::byte> argument) {
  if (command != FIONREAD || argument.size() < sizeof(int)) return File::control(command, value, argument);
  const int held = static_cast<int>(node_->held());
  std::memcpy(argument.data(), &held, sizeof held);
  return 0;
}

uint64_t PipeFile::activity(uint32_t events) const {
  return ((events & POLLIN) != 0 ? node_->in_ : 0) + ((events & POLLOUT) != 0 ? node_->out_ : 0);
}

bool PipeFile::opened() const {
  // Through /proc/self/fd an unnamed one is opened again without waiting.
  if ((readable() && writable()) || node_->anonymous_) return true;
  if (readable()) return node_->writers_ > 0 || node_->writers_ever_ != writers_ever_;
  return node_->readers_ > 0 || node_->readers_ever_ != readers_ever_;
}

int64_t PipeFile::set_capacity(uint64_t bytes) {
  if (bytes > PipeNode::capacity_max) return -EPERM;
  const size_t rounded = std::bit_ceil(std::max<uint64_t>(bytes, 4096));
  if (rounded < node_->held()) return -EBUSY;
  node_->capacity_ = rounded;
  return static_cast<int64_t>(rounded);
}

int64_t PipeFile::peek(std::span<std::byte> out) const {
  if (!readable()) return -EBADF;
  if (node_->held() == 0) return node_->writers_ == 0 ? 0 : -EAGAIN;
  const size_t count = std::min(out.size(), node_->held());
  copy_bytes(out.data(), node_->data_.data() + node_->head_, count);
  return static_cast<int64_t>(count);
}

int64_t make_pipe(const StorePtr& store, int flags, FilePtr& reader, FilePtr& writer) {
  if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) != 0) return -EINVAL;
  auto node = std::make_shared<PipeNode>(store, 0600, true);
  node->object_ = Share::of(store->account, &Account::objects);
  if (!node->object_) return -ENFILE;
  reader = std::make_shared<PipeFile>(node, O_RDONLY | (flags & O_NONBLOCK));
  writer = std::make_shared<PipeFile>(node, O_WRONLY | (flags & O_NONBLOCK));
  node->writers_ever_ = node->readers_ever_ = 1;
  return 0;
}

}  // namespace shrike::sandbox::microvm
