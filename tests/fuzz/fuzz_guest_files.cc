// Sequences of calls on what a guest sees of files, pipes and sockets.
//
// Threat model: the guest is a program that nobody trusts, and every number, name and byte in these calls is its own.
// Whatever it asks for, in whatever order: nothing crashes, nothing waits, no file of the host is opened, what it holds
// stays within its quotas, and all of that is given back when it has closed what it had.
//
// link: shrike_vm_files
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/locks.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/files/pipe.h"
#include "sandbox/microvm/files/socket.h"

namespace {

using namespace shrike::sandbox::microvm;

bool inside = false;  // a guest's call is being served: the host's files are out of bounds

void check(bool condition) {
  if (!condition) std::abort();
}

/// The input as numbers and texts; zeros once it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  /// Small, or at an edge, or anything.
  uint64_t number() {
    constexpr uint64_t edges[] = {0, 1, 4095, 4096, 65536, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 1ull << 40};
    const uint8_t kind = byte();
    if (kind < 128) return kind;
    if (kind < 128 + std::size(edges)) return edges[kind - 128];
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  std::string text(size_t most) {
    std::string out(byte() % (most + 1), '\0');
    for (char& c : out) c = static_cast<char>(byte());
    return out;
  }
  std::string path() {
    constexpr const char* parts[] = {
        "a", "b",    "c",    "/",           "/a",   "..",           ".",    "/proc/self", "/fd/1",     "/dev", "tmp",
        "/", "null", "zero", "/etc/shadow", "link", "/proc/1/root", "fifo", "/dev/ptmx",  "/dev/pts/0"};
    std::string out;
    for (int n = byte() % 5; n >= 0; --n) {
      const uint8_t which = byte();
      out += which < 200 ? parts[which % std::size(parts)] : text(12);
      if (which % 3 == 0) out += '/';
    }
    return out;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

class Guest final : public GuestView {
 public:
  Guest()
      : files_(memory_tree({{"/bin/sh", "#!"}, {"/large", std::string(9000, 'x')}, {"/link", "->/tmp/a"}}),
               {.bytes = 1u << 20, .nodes = 200, .buffer_bytes = 300'000, .objects = 60}, [this] { return ++now_; }),
        sockets_(make_sockets(files_, {shrike::sandbox::Network::sink, [this](int) { return ++now_; }, {}})) {
    furnish(files_, "host", 1);
    mount_proc(files_, *this);
    place_ = {files_.root(), files_.root(), {}};
  }

  void step(Input& in);
  void finish();

  [[nodiscard]] uint32_t current_process() const override { return 1; }
  [[nodiscard]] uint32_t current_thread() const override { return 1; }
  [[nodiscard]] std::vector<uint32_t> processes() const override { return {1}; }
  [[nodiscard]] std::optional<ProcessFacts> facts(uint32_t pid) const override {
    if (pid != 1) return std::nullopt;
    ProcessFacts facts;
    facts.pid = 1;
    facts.threads = {1, 2};
    return facts;
  }
  [[nodiscard]] std::string argv(uint32_t) const override { return "a"; }
  [[nodiscard]] std::string environ(uint32_t) const override { return "e"; }
  [[nodiscard]] std::string maps(uint32_t) const override { return "m"; }
  [[nodiscard]] NodePtr exe(uint32_t) const override { return slots_[0] ? slots_[0]->node() : nullptr; }
  [[nodiscard]] std::optional<Place> place(uint32_t) const override { return place_; }
  [[nodiscard]] std::vector<int> descriptors(uint32_t) const override { return {0, 1, 2}; }
  [[nodiscard]] FilePtr descriptor(uint32_t, int fd) const override {
    return fd >= 0 && fd < 16 ? slots_[static_cast<size_t>(fd)] : nullptr;
  }

 private:
  FilePtr& slot(Input& in) { return slots_[in.byte() % 16]; }
  void on_names(Input& in, uint8_t operation);
  void on_nodes(Input& in, uint8_t operation);
  void on_file(Input& in, uint8_t operation);
  void on_objects(Input& in, uint8_t operation);
  void on_socket(Input& in, uint8_t operation);
  void check_account() const;

  uint64_t now_ = 1'000'000'000;
  FileSystem files_;
  std::unique_ptr<SocketWorld> sockets_;
  Place place_;
  std::array<FilePtr, 16> slots_;
};

void Guest::on_names(Input& in, uint8_t operation) {
  const std::string path = in.path();
  if (operation == 0) {
    FilePtr file;
    const auto flags = static_cast<int>(in.number() & ~uint64_t{O_ASYNC});
    const int64_t result = files_.open_at(place_, nullptr, path, flags, static_cast<uint32_t>(in.number()), file);
    check(result < 0 || file != nullptr);
    if (result >= 0) slot(in) = file;
    return;
  }
  Found found, other;
  if (files_.resolve_name(place_, nullptr, path, found) < 0) return;
  check(found.folder != nullptr && found.folder->is_folder());
  switch (operation) {
    case 1:
      files_.make_folder(found, static_cast<uint32_t>(in.number()));
      break;
    case 2:
      files_.make_node(found, static_cast<uint32_t>(in.number()), in.number());
      break;
    case 3:
      files_.make_link(found, in.path());
      break;
    case 4:
      files_.unlink(found, in.byte() % 2 == 0);
      break;
    case 5:
      if (files_.resolve_name(place_, nullptr, in.path(), other) >= 0)
        files_.rename(found, other, static_cast<uint32_t>(in.number()));
      break;
    default:
      if (files_.resolve(place_, nullptr, in.path(), in.byte() % 2 == 0, other) >= 0 && other.node)
        files_.link(other.node, found);
  }
}

void Guest::on_nodes(Input& in, uint8_t operation) {
  Found found;
  if (files_.resolve(place_, nullptr, in.path(), in.byte() % 2 == 0, found) < 0 || !found.node) return;
  Node& node = *found.node;
  std::string text;
  switch (operation) {
    case 0: {
      struct ::stat status {};
      struct ::statfs statistics {};
      check(files_.status(node, status) == 0 && files_.statistics(node, statistics) == 0);
      check(!files_.path_of(node).empty());
      break;
    }
    case 1:
      if (files_.set_attribute(node, "user." + in.text(8), in.text(200), static_cast<int>(in.byte() % 4)) == 0)
        check(files_.list_attributes(node, text) == 0 && !text.empty());
      break;
    case 2:
      files_.remove_attribute(node, "user." + in.text(8));
      break;
    case 3:
      files_.truncate(node, in.number());
      break;
    case 4: {
      const struct timespec times[2] = {{static_cast<time_t>(in.number()), static_cast<long>(in.number())},
                                        {static_cast<time_t>(in.number()), UTIME_NOW}};
      files_.change_times(node, times);
      files_.change_owner(node, static_cast<uint32_t>(in.number()), 0);
      files_.change_mode(node, static_cast<uint32_t>(in.number()));
      break;
    }
    case 5:
      files_.read_link(node, text);
      if (node.is_folder()) place_.cwd = found.node;
      break;
    default: {
      std::array<std::byte, 64> bytes{};
      check(files_.read(node, in.number(), bytes) <= 64);
      files_.write(node, in.number(), bytes);
    }
  }
}

void Guest::on_file(Input& in, uint8_t operation) {
  FilePtr& file = slot(in);
  if (!file) return;
  std::vector<std::byte> bytes(in.number() % 70'000, static_cast<std::byte>(in.byte()));
  const auto at = in.byte() % 2 == 0 ? std::nullopt : std::optional(in.number());
  const auto all = static_cast<int64_t>(bytes.size());
  switch (operation) {
    case 0:
      check(file->read(bytes, at) <= all);
      break;
    case 1:
      check(file->write(bytes, at) <= all);
      break;
    case 2:
      file->seek(static_cast<int64_t>(in.number()), in.byte() % 7);
      break;
    case 3:
      file->truncate(in.number());
      break;
    case 4:
      file->allocate(in.byte() % 64, in.number(), in.number());
      break;
    case 5:
      check(file->list(bytes) <= all);
      break;
    case 6:
      bytes.resize(std::min<size_t>(bytes.size(), 4096));
      {
        constexpr uint64_t commands[] = {TCGETS,    TCSETS,    TIOCGPTN, TIOCSPTLCK,  TIOCGWINSZ, TIOCSWINSZ,
                                         TIOCSPGRP, TIOCSCTTY, FIONREAD, SIOCGIFADDR, SIOCGIFNAME};
        const uint8_t which = in.byte();
        file->control(which < 200 ? commands[which % std::size(commands)] : in.number(), in.number(), bytes);
      }
      break;
    case 7: {
      LockTable& locks = file->node()->locks();
      if (in.byte() % 2 == 0) locks.flock(*file, in.byte());
      RangeLock range{in.number(), in.number(), in.byte() % 2 == 0, in.byte() % 3u, nullptr};
      if (range.begin < range.end) in.byte() % 2 == 0 ? locks.lock(range) : locks.unlock(range);
      file->closed_by(in.byte() % 3u);
      break;
    }
    case 8:
      check(file->poll() < 0x10000);
      check(file->activity(POLLIN | POLLOUT) >= file->activity(0));
      check(file->wakes_at().value_or(now_) >= 1);
      check(file->opened() || file->node()->type() == S_IFIFO);
      break;
    case 9:
      add_seals(*file, static_cast<uint32_t>(in.number()), in.byte() % 2 == 0);
      if (auto* pipe = dynamic_cast<PipeFile*>(file.get())) pipe->set_capacity(in.number());
      break;
    case 10:
      file->flags ^= in.byte() % 2 == 0 ? O_NONBLOCK : O_APPEND;
      break;
    default:
      file.reset();
  }
}

void Guest::on_objects(Input& in, uint8_t operation) {
  const StorePtr& store = files_.store();
  switch (operation) {
    case 0:
      make_pipe(store, in.byte() % 2 == 0 ? O_NONBLOCK : 0, slot(in), slot(in));
      break;
    case 1:
      make_event(store, static_cast<uint32_t>(in.number()), in.byte() % 2, slot(in));
      break;
    case 2:
      make_memory_file(store, in.text(20), in.byte() % 32, slot(in));
      break;
    case 3: {
      std::shared_ptr<TimerFile> timer;
      if (make_timer(
              store, in.byte() % 2, 0, [this](int) { return now_; }, timer) == 0)
        slot(in) = timer;
      break;
    }
    case 4:
      if (const auto timer = std::dynamic_pointer_cast<TimerFile>(slot(in))) {
        itimerspec value{}, old{};
        value.it_value = {static_cast<time_t>(in.number()), static_cast<long>(in.number())};
        value.it_interval = {static_cast<time_t>(in.number()), static_cast<long>(in.number())};
        timer->set(in.byte() % 4, value, old);
        timer->get(old);
      }
      break;
    case 5: {
      std::shared_ptr<EpollFile> set;
      if (make_epoll(store, 0, set) == 0) slot(in) = set;
      break;
    }
    case 6:
      if (const auto set = std::dynamic_pointer_cast<EpollFile>(slot(in))) {
        epoll_event event{};
        event.events = static_cast<uint32_t>(in.number());
        const int fd = in.byte() % 16;
        if (slots_[static_cast<size_t>(fd)]) set->change(in.byte() % 5, fd, slots_[static_cast<size_t>(fd)], event);
        std::array<epoll_event, 5> out{};
        check(set->collect(out) <= 5);
      }
      break;
    default:
      now_ += in.number() % (uint64_t{1} << 40);
  }
}

void Guest::on_socket(Input& in, uint8_t operation) {
  std::shared_ptr<Socket> first, second;
  if (operation == 0) {
    const int family = in.byte() % 18,
              type = static_cast<int>(in.byte() % 6) | (in.byte() % 2 == 0 ? SOCK_NONBLOCK : 0);
    if (sockets_->make(1, family, type, in.byte() % 20, first) == 0) slot(in) = first;
    return;
  }
  if (operation == 1) {
    if (sockets_->make_pair(1, AF_UNIX, in.byte() % 6, 0, first, second) == 0) slot(in) = first, slot(in) = second;
    return;
  }
  const auto socket = std::dynamic_pointer_cast<Socket>(slot(in));
  if (!socket) return;
  // A family, then anything: as sockaddr_in its port and address, as sockaddr_un its path.
  Address address(2 + in.byte() % 30);
  address[0] = static_cast<std::byte>(in.byte() % 18);
  for (size_t i = 2; i < address.size(); ++i) address[i] = static_cast<std::byte>(in.byte());
  Message message;
  if (in.byte() % 2 == 0) message.address = address;
  std::vector<std::byte> bytes(in.number() % 70'000);
  switch (operation) {
    case 2:
      socket->bind(place_, address);
      break;
    case 3:
      socket->connect(place_, address);
      break;
    case 4:
      socket->listen(static_cast<int>(in.number()));
      break;
    case 5:
      if (socket->accept(first) == 0) slot(in) = first;
      break;
    case 6:
      if (const FilePtr& file = slot(in)) message.files.assign(in.byte(), file);
      for (size_t i = 0; i < std::min<size_t>(bytes.size(), 100); ++i) bytes[i] = static_cast<std::byte>(in.byte());
      check(socket->send(place_, bytes, message, static_cast<int>(in.number())) <= static_cast<int64_t>(bytes.size()));
      break;
    case 7:
      socket->receive(bytes, message, static_cast<int>(in.number()));
      if (!message.files.empty()) slot(in) = message.files.front();
      break;
    case 8:
      socket->shutdown(in.byte() % 4);
      check(socket->name(address) == 0 && address.size() >= 2);
      check(socket->peer(address) <= 0);
      break;
    default:
      bytes.resize(bytes.size() % 64);
      socket->set_option(static_cast<int>(in.byte() % 50), static_cast<int>(in.byte() % 80), bytes);
      socket->get_option(static_cast<int>(in.byte() % 50), static_cast<int>(in.byte() % 80), bytes);
  }
}

void Guest::step(Input& in) {
  const uint8_t operation = in.byte();
  switch (operation % 5) {
    case 0:
      on_names(in, operation / 5 % 7);
      break;
    case 1:
      on_nodes(in, operation / 5 % 7);
      break;
    case 2:
      on_file(in, operation / 5 % 12);
      break;
    case 3:
      on_objects(in, operation / 5 % 8);
      break;
    default:
      on_socket(in, operation / 5 % 10);
  }
  check_account();
}

void Guest::check_account() const {
  const Account& account = *files_.account();
  for (const Budget* budget : {&account.bytes, &account.nodes, &account.buffers, &account.objects})
    check(budget->used() <= budget->limit());
}

void Guest::finish() {
  uint64_t dropped = 0;
  check(files_.artefacts(20, dropped).size() <= 20);
  check(sockets_->connections(20, dropped).size() <= 20);
  for (FilePtr& file : slots_) file.reset();
  sockets_.reset();
  const Account& account = *files_.account();
  check(account.buffers.used() == 0);
  check(account.objects.used() == 0);
}

}  // namespace

// The library has no business opening anything of the host's; whoever tries gets here.
extern "C" int open(const char* path, int flags, ...) {
  check(!inside);
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
extern "C" int openat(int folder, const char* path, int flags, ...) {
  check(!inside);
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  Input in(data, size);
  inside = true;
  {
    Guest guest;
    while (!in.empty()) guest.step(in);
    guest.finish();
  }
  inside = false;
  return 0;
}
