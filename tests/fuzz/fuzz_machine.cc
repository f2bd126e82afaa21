// link: shrike_microvm
//
// Threat model: a guest has taken over the process of its machine, and now writes whatever it likes to the channel on
// which its parent, outside the jail, waits for calls, output and a report. The parent must not crash, must not wait
// for the rest of something, and must hold no more in memory than a frame may have. What the process asks the broker
// for is hostile in the same way: no answer but to whole requests, no descriptor of anything but a regular file of the
// tree.

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "sandbox/call.h"
#include "sandbox/microvm/broker.h"
#include "sandbox/microvm/frames.h"
#include "sandbox/report.h"

namespace {

using namespace shrike;
using namespace shrike::sandbox;
using namespace shrike::sandbox::microvm;

struct Ends {
  Fd ours, its;
  explicit Ends(int type) {
    int fds[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
    ours.reset(fds[0]);
    its.reset(fds[1]);
  }
};

void hear(std::string_view bytes) {
  const Ends ends(SOCK_STREAM);
  FrameReader reader(ends.ours.get());
  while (!bytes.empty()) {
    const ssize_t sent = ::send(ends.its.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) std::abort();
    bytes.remove_prefix(static_cast<size_t>(sent));
    if (const auto more = reader.read(); !more.ok() || !*more) std::abort();
    for (;;) {
      const auto frame = reader.next();
      if (!frame.ok()) return;
      if (!frame.value()) break;
      const auto& [type, payload] = *frame.value();
      if (payload.size() > frame_payload_max) std::abort();
      if (type == sandbox::Frame::report) static_cast<void>(report_from_json(payload));
      if (type != sandbox::Frame::calls) continue;
      auto calls = std::as_bytes(std::span(payload));
      while (!calls.empty() && decode_call(calls).ok()) continue;
    }
  }
}

// Of this process alone, and gone with it.
struct SmallTree {
  std::string root = std::filesystem::temp_directory_path() / ("shrike-fuzz-machine-" + std::to_string(::getpid()));
  std::optional<HostTree> tree;
  SmallTree() {
    write();
    std::filesystem::create_symlink("/etc/shadow", root + "/usr/link");
    auto opened = HostTree::open({.root = root, .paths = {"/usr"}});
    if (!opened.ok()) std::abort();
    tree.emplace(std::move(opened).value());
    tree->warm();
    std::filesystem::remove_all(root + "/usr/bin");  // what was listed may be another thing by now
    write();
  }
  ~SmallTree() { std::filesystem::remove_all(root); }
  SmallTree(const SmallTree&) = delete;
  SmallTree& operator=(const SmallTree&) = delete;
  void write() const {
    std::filesystem::create_directories(root + "/usr/bin");
    std::ofstream(root + "/usr/bin/tool") << "tool";
  }
};

void ask(std::string_view bytes) {
  static SmallTree small;
  Ends ends(SOCK_SEQPACKET);
  Broker broker(*small.tree, std::move(ends.ours));
  while (!bytes.empty()) {
    // The first byte says how long the next message is.
    const size_t length = std::min<size_t>(static_cast<uint8_t>(bytes[0]) % 40, bytes.size() - 1);
    bytes.remove_prefix(1);
    if (length == 0) continue;
    if (::send(ends.its.get(), bytes.data(), length, MSG_NOSIGNAL) < 0) return;
    bytes.remove_prefix(length);
    if (const auto served = broker.serve(); !served.ok() || !*served) return;
    char answer[70'000];
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
    iovec piece{answer, sizeof answer};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(ends.its.get(), &message, MSG_CMSG_CLOEXEC) <= 0) std::abort();
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      const Fd given(fd);
      struct stat status {};
      if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != 4) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? hear(bytes) : ask(bytes);
  return 0;
}
