// The machine's end of broker_wire.h.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <string>

#include "sandbox/microvm/files/broker_wire.h"
#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t open_files_max = 32;  // kept open at once, the least recently read goes first

/// The one descriptor that came with a message; closes others.
Fd take_descriptor(const msghdr& message) {
  Fd fd;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
      int got = -1;
      std::memcpy(&got, reinterpret_cast<const char*>(part) + at, sizeof got);
      fd.reset(got);
    }
  }
  return fd;
}

class BrokerTree final : public Tree {
 public:
  explicit BrokerTree(Fd socket) : socket_(std::move(socket)), buffer_(broker_answer_max + 1, '\0') {}

  Result<std::vector<TreeEntry>> list(uint64_t folder) override {
    std::vector<TreeEntry> all;
    for (bool more = true; more;) {
      auto answer = TRY(ask({BrokerOperation::list, folder, all.size()}, nullptr));
      more = answer.more;
      for (TreeEntry& entry : answer.entries) {
        if (all.size() == tree_names_max) return all;
        all.push_back(std::move(entry));
      }
    }
    return all;
  }

  Result<TreeEntry> look(uint64_t number) override {
    auto answer = TRY(ask({BrokerOperation::look, number, 0}, nullptr));
    return std::move(answer.entries.front());
  }

  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
    const int fd = TRY(open(file));
    size_t got = 0;
    while (got < out.size()) {
      const ssize_t n = ::pread(fd, out.data() + got, out.size() - got, static_cast<off_t>(at + got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("file " + std::to_string(file) + " of the broker's");
      if (n == 0) break;
      got += static_cast<size_t>(n);
    }
    return got;
  }

 private:
  struct Open {
    uint64_t number;
    Fd fd;
  };

  Result<int> open(uint64_t file) {
    const auto known = std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.number == file; });
    if (known != open_.end()) {
      open_.splice(open_.begin(), open_, known);
      return open_.front().fd.get();
    }
    Fd fd;
    TRY(ask({BrokerOperation::open, file, 0}, &fd));
    if (!fd.valid()) return broken("an open without a descriptor");
    if (open_.size() >= open_files_max) open_.pop_back();
    open_.push_front({file, std::move(fd)});
    return open_.front().fd.get();
  }

  Result<BrokerAnswer> ask(const BrokerRequest& request, Fd* descriptor) {
    if (broken_) return Error{"the broker broke off before", EIO};
    const std::string bytes = encode_request(request);
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    ssize_t sent = 0;
    while ((sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
    if (sent != static_cast<ssize_t>(bytes.size())) return broken("a request could not be sent");
    return receive(request, descriptor);
  }

  Result<BrokerAnswer> receive(const BrokerRequest& request, Fd* descriptor) {
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
    iovec piece{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = 0;
    while ((got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
    if (got <= 0) return broken("it is gone");
    Fd fd = take_descriptor(message);
    auto answer = decode_answer(std::string_view(buffer_.data(), static_cast<size_t>(got)));
    if (!answer || answer->operation != request.operation) return broken("its answer is none");
    if (answer->error != 0)
      return errno_error("entry " + std::to_string(request.number) + " of the broker's",
                         static_cast<int>(answer->error));
    if (descriptor != nullptr) *descriptor = std::move(fd);
    return std::move(*answer);
  }

  Error broken(const char* what) {
    broken_ = true;  // requests and answers may be out of step from here on
    return {std::string("broker of files: ") + what, EIO};
  }

  Fd socket_;
  std::string buffer_;
  std::list<Open> open_;  // most recently read first
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Tree> broker_tree(Fd socket) { return std::make_unique<BrokerTree>(std::move(socket)); }

}  // namespace shrike::sandbox::microvm
