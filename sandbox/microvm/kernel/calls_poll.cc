// Waiting for several files: poll, select, epoll.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t polled_most = 4096;
constexpr size_t events_most = 1024;
constexpr uint64_t millisecond_ns = 1'000'000;

/// One of what poll or select asks for, with the file as it was when the call began.
struct Asked {
  int fd = -1;
  uint32_t events = 0;
  FilePtr file;
};

uint32_t answer(const Asked& asked) {
  if (asked.fd < 0) return 0;
  if (!asked.file) return POLLNVAL;
  return asked.file->poll() & (asked.events | POLLERR | POLLHUP);
}

// For the time of the call other signals are blocked; what was before comes back when it ends.
int64_t swap_mask(Request& request, uint64_t address, uint64_t size) {
  if (address == 0) return 0;
  uint64_t mask = 0;
  if (size != 8) return -EINVAL;
  if (!request.memory.get(address, mask)) return -EFAULT;
  request.thread.mask_after = request.thread.mask;
  request.thread.mask = mask & ~unblockable;
  return 0;
}

std::vector<FilePtr> files_of(const std::vector<Asked>& asked) {
  std::vector<FilePtr> files;
  for (const Asked& each : asked)
    if (each.file) files.push_back(each.file);
  return files;
}

int64_t do_poll(Request& request, std::optional<uint64_t> deadline) {
  std::vector<struct ::pollfd> fds;
  const int64_t error = request.memory.list(request.args[0], request.args[1] & 0xffffffff,
                                            std::min<size_t>(polled_most, request.descriptor_limit()), fds);
  if (error < 0) return error;
  std::vector<Asked> asked;
  for (const auto& each : fds)
    asked.push_back({each.fd, static_cast<uint16_t>(each.events), request.process.files->get(each.fd)});
  Wait wait;
  wait.files = files_of(asked);
  auto finish = [memory = request.memory, to = request.args[0], fds,
                 asked](bool always) mutable -> std::optional<int64_t> {
    int64_t ready = 0;
    for (size_t i = 0; i < fds.size(); ++i) {
      fds[i].revents = static_cast<int16_t>(answer(asked[i]));
      ready += fds[i].revents != 0;
    }
    if (ready == 0 && !always) return std::nullopt;
    return memory.write(to, std::as_bytes(std::span(fds))) ? ready : -EFAULT;
  };
  wait.again = [finish, &clock = request.system.clock, deadline]() mutable -> std::optional<int64_t> {
    return finish(deadline && clock.now() >= *deadline);
  };
  wait.deadline = deadline;
  return request.wait(std::move(wait));
}

using Sets = std::array<std::vector<uint8_t>, 3>;
constexpr std::array<uint32_t, 3> set_events{POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};

int64_t read_sets(Request& request, size_t count, Sets& sets) {
  const size_t bytes = (count + 63) / 64 * 8;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (request.args[1 + i] == 0) continue;
    sets[i].resize(bytes);
    if (!request.memory.read(request.args[1 + i], std::as_writable_bytes(std::span(sets[i])))) return -EFAULT;
  }
  return 0;
}

bool in_set(const std::vector<uint8_t>& set, size_t fd) {
  return fd / 8 < set.size() && (set[fd / 8] >> fd % 8 & 1) != 0;
}

int64_t do_select(Request& request, std::optional<uint64_t> deadline) {
  if (request.number(0) < 0) return -EINVAL;
  const size_t count = std::min<size_t>(static_cast<size_t>(request.number(0)), polled_most);
  Sets sets;
  if (const int64_t error = read_sets(request, count, sets); error < 0) return error;
  std::vector<Asked> asked;
  for (size_t fd = 0; fd < count; ++fd) {
    uint32_t events = 0;
    for (size_t i = 0; i < sets.size(); ++i)
      if (in_set(sets[i], fd)) events |= set_events[i];
    if (events == 0) continue;
    asked.push_back({static_cast<int>(fd), events, request.process.files->get(static_cast<int>(fd))});
    if (!asked.back().file) return -EBADF;
  }
  Wait wait;
  wait.files = files_of(asked);
  const std::array<uint64_t, 3> to{request.args[1], request.args[2], request.args[3]};
  wait.again = [memory = request.memory, sets, asked, to, &clock = request.system.clock,
                deadline]() -> std::optional<int64_t> {
    Sets ready;
    int64_t total = 0;
    for (size_t i = 0; i < sets.size(); ++i) ready[i].resize(sets[i].size());
    for (const Asked& each : asked) {
      const uint32_t now = each.file->poll();
      const auto fd = static_cast<size_t>(each.fd);
      for (size_t i = 0; i < sets.size(); ++i) {
        if (!in_set(sets[i], fd) || (now & set_events[i]) == 0) continue;
        ready[i][fd / 8] = static_cast<uint8_t>(ready[i][fd / 8] | 1u << fd % 8);
        ++total;
      }
    }
    if (total == 0 && !(deadline && clock.now() >= *deadline)) return std::nullopt;
    for (size_t i = 0; i < sets.size(); ++i)
      if (!memory.write(to[i], std::as_bytes(std::span(ready[i])))) return -EFAULT;
    return total;
  };
  wait.deadline = deadline;
  return request.wait(std::move(wait));
}

// A timespec that may be missing.
int64_t read_timeout(Request& request, uint64_t address, std::optional<uint64_t>& deadline) {
  if (address == 0) return 0;
  uint64_t ns = 0;
  const int64_t error = read_duration(request.memory, address, ns);
  if (error == 0) deadline = deadline_in(request.system.clock, ns);
  return error;
}

std::optional<uint64_t> in_milliseconds(const Request& request, int count) {
  if (count < 0) return std::nullopt;
  return deadline_in(request.system.clock, static_cast<uint64_t>(count) * millisecond_ns);
}

// A mask that was put in place goes again where the call ends at once.
int64_t end_at_once(Request& request, int64_t result) {
  if (result != waiting && request.thread.mask_after && !request.system.has_signal(request.thread)) {
    request.thread.mask = *request.thread.mask_after;
    request.thread.mask_after.reset();
  }
  return result;
}
}  // namespace

int64_t on_poll(Request& request) { return do_poll(request, in_milliseconds(request, request.number(2))); }

int64_t on_ppoll(Request& request) {
  std::optional<uint64_t> deadline;
  if (const int64_t error = read_timeout(request, request.args[2], deadline); error < 0) return error;
  if (const int64_t error = swap_mask(request, request.args[3], request.args[4]); error < 0) return error;
  return end_at_once(request, do_poll(request, deadline));
}

int64_t on_select(Request& request) {
  std::optional<uint64_t> deadline;
  if (request.args[4] != 0) {
    struct ::timeval time {};
    if (!request.memory.get(request.args[4], time)) return -EFAULT;
    if (time.tv_sec < 0 || time.tv_usec < 0) return -EINVAL;
    const auto more = static_cast<uint64_t>(time.tv_usec) / 1'000'000;
    uint64_t ns = 0;
    time.tv_usec %= 1'000'000;
    if (const int64_t error = duration_of(time, ns); error < 0) return error;
    deadline = deadline_in(request.system.clock, std::min(ns + more * second_ns, for_ever_ns));
  }
  return do_select(request, deadline);
}

int64_t on_pselect6(Request& request) {
  struct Mask {
    uint64_t address, size;
  } mask{};
  std::optional<uint64_t> deadline;
  if (request.args[5] != 0 && !request.memory.get(request.args[5], mask)) return -EFAULT;
  if (const int64_t error = read_timeout(request, request.args[4], deadline); error < 0) return error;
  if (const int64_t error = swap_mask(request, mask.address, mask.size); error < 0) return error;
  return end_at_once(request, do_select(request, deadline));
}

namespace {
int64_t create_epoll(Request& request, uint64_t flags) {
  std::shared_ptr<EpollFile> file;
  const int64_t error = make_epoll(request.system.files.store(), static_cast<int>(flags), file);
  return error < 0 ? error : request.install(std::move(file), (flags & EPOLL_CLOEXEC) != 0);
}

int64_t do_epoll_wait(Request& request, std::optional<uint64_t> deadline) {
  const auto file = std::dynamic_pointer_cast<EpollFile>(request.file(0));
  if (!request.file(0)) return -EBADF;
  const int most = request.number(2);
  if (!file || most <= 0) return -EINVAL;
  const size_t room = std::min<size_t>(static_cast<size_t>(most), events_most);
  Wait wait;
  wait.files = {file};
  wait.again = [memory = request.memory, file, room, to = request.args[1], &clock = request.system.clock,
                deadline]() -> std::optional<int64_t> {
    std::vector<struct ::epoll_event> events(room);
    const int64_t ready = file->collect(events);
    if (ready == 0) return deadline && clock.now() >= *deadline ? std::optional<int64_t>(0) : std::nullopt;
    if (ready < 0) return ready;
    const auto bytes = std::as_bytes(std::span(events).first(static_cast<size_t>(ready)));
    return memory.write(to, bytes) ? ready : -EFAULT;
  };
  wait.deadline = deadline;
  return request.wait(std::move(wait));
}
}  // namespace

int64_t on_epoll_create(Request& request) { return request.number(0) <= 0 ? -EINVAL : create_epoll(request, 0); }
int64_t on_epoll_create1(Request& request) {
  if ((request.args[0] & ~uint64_t{EPOLL_CLOEXEC}) != 0) return -EINVAL;
  return create_epoll(request, request.args[0]);
}

int64_t on_epoll_ctl(Request& request) {
  struct ::epoll_event event {};
  const int operation = request.number(1);
  if (operation != EPOLL_CTL_DEL && !request.memory.get(request.args[3], event)) return -EFAULT;
  const FilePtr set = request.file(0), target = request.file(2);
  if (!set || !target) return -EBADF;
  const auto epoll = std::dynamic_pointer_cast<EpollFile>(set);
  if (!epoll || set == target) return -EINVAL;
  return epoll->change(operation, request.number(2), target, event);
}

int64_t on_epoll_wait(Request& request) { return do_epoll_wait(request, in_milliseconds(request, request.number(3))); }

int64_t on_epoll_pwait(Request& request) {
  if (const int64_t error = swap_mask(request, request.args[4], request.args[5]); error < 0) return error;
  return end_at_once(request, do_epoll_wait(request, in_milliseconds(request, request.number(3))));
}

int64_t on_epoll_pwait2(Request& request) {
  std::optional<uint64_t> deadline;
  if (const int64_t error = read_timeout(request, request.args[3], deadline); error < 0) return error;
  if (const int64_t error = swap_mask(request, request.args[4], request.args[5]); error < 0) return error;
  return end_at_once(request, do_epoll_wait(request, deadline));
}

}  // namespace shrike::sandbox::microvm
