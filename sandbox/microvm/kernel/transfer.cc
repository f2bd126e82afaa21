#include "sandbox/microvm/kernel/transfer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <numeric>

#include "sandbox/microvm/files/socket.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {

int64_t broken_pipe(System& system, Thread& thread, int64_t result) {
  if (result == -EPIPE)
    system.send(thread, {.number = SIGPIPE, .pid = thread.process->pid, .uid = thread.process->credentials.uid});
  return result;
}

// What SO_RCVTIMEO or SO_SNDTIMEO says of a socket.
static std::optional<uint64_t> socket_deadline(const Request& request, File& file, uint32_t events) {
  auto* socket = dynamic_cast<Socket*>(&file);
  struct ::timeval time {};
  std::vector<std::byte> value(sizeof time);
  if (socket == nullptr) return std::nullopt;
  const int option = (events & POLLIN) != 0 ? SO_RCVTIMEO : SO_SNDTIMEO;
  if (socket->get_option(SOL_SOCKET, option, value) < 0 || value.size() != sizeof time) return std::nullopt;
  std::memcpy(&time, value.data(), sizeof time);
  uint64_t ns = 0;
  if (duration_of(time, ns) < 0 || ns == 0) return std::nullopt;
  return deadline_in(request.system.clock, ns);
}

int64_t retry(Request& request, const FilePtr& file, uint32_t events, bool dont_wait,
              std::function<int64_t()> attempt) {
  const int64_t first = attempt();
  if (first != -EAGAIN || dont_wait || (file->flags & O_NONBLOCK) != 0) return first;
  Wait wait;
  wait.again = [file, events, attempt = std::move(attempt)]() -> std::optional<int64_t> {
    if ((file->poll() & (events | POLLERR | POLLHUP)) == 0) return std::nullopt;
    const int64_t result = attempt();
    return result == -EAGAIN ? std::nullopt : std::optional(result);
  };
  wait.restarts = true;
  wait.files = {file};
  wait.deadline = socket_deadline(request, *file, events);
  wait.at_deadline = -EAGAIN;
  return request.wait(std::move(wait));
}

void tell_data(Request& request, std::span<const std::byte> bytes) {
  constexpr size_t told_most = 1024;
  const size_t length = std::min(bytes.size(), told_most);
  request.tell(TextKind::data, std::string(reinterpret_cast<const char*>(bytes.data()), length));
}

namespace {
uint64_t total_of(const std::vector<Slice>& slices) {
  return std::accumulate(slices.begin(), slices.end(), uint64_t{0},
                         [](uint64_t sum, const Slice& slice) { return sum + slice.length; });
}
}  // namespace

int64_t read_file(Request& request, const FilePtr& file, std::vector<Slice> slices, std::optional<uint64_t> at) {
  if (!file || !file->readable()) return -EBADF;
  System& system = request.system;
  if (!system.shared_files.empty()) system.write_back(*file->node());
  const uint64_t total = total_of(slices);
  auto attempt = [memory = request.memory, file, slices = std::move(slices), at, total]() -> int64_t {
    std::vector<std::byte> bytes(total);
    const int64_t got = file->read(bytes, at);
    if (got <= 0) return got;
    const size_t put = memory.scatter(slices, std::span(bytes).first(static_cast<size_t>(got)));
    return put == 0 ? -EFAULT : static_cast<int64_t>(put);
  };
  return retry(request, file, POLLIN, false, std::move(attempt));
}

int64_t write_file(Request& request, const FilePtr& file, const std::vector<Slice>& slices,
                   std::optional<uint64_t> at) {
  if (!file || !file->writable()) return -EBADF;
  bool whole = false;
  const auto bytes = std::make_shared<std::vector<std::byte>>(request.memory.gather(slices, whole));
  if (bytes->empty() && !whole) return -EFAULT;
  if (std::dynamic_pointer_cast<Socket>(file)) tell_data(request, *bytes);
  const auto done = std::make_shared<size_t>(0);
  System* system = &request.system;
  Thread* thread = &request.thread;
  const bool goes_on = file->writes_whole();
  // A blocking write to a pipe ends when everything is in; one that was cut short by a signal or a reader that left
  // says how much was.
  const auto attempt = [system, thread, file, bytes, done, at, goes_on]() -> std::optional<int64_t> {
    while (true) {
      const int64_t put = file->write(std::span(*bytes).subspan(*done), at);
      const auto so_far = static_cast<int64_t>(*done);
      if (put == -EAGAIN) return std::nullopt;
      if (put < 0) return so_far > 0 ? so_far : broken_pipe(*system, *thread, put);
      *done += static_cast<size_t>(put);
      if (!goes_on || put == 0 || *done == bytes->size()) return static_cast<int64_t>(*done);
    }
  };
  const auto node = file->node();
  if (const auto result = attempt()) {
    if (*result > 0 && node->is_file()) system->content_changed(node);
    return *result;
  }
  const auto short_count = [done](int64_t otherwise) { return *done > 0 ? static_cast<int64_t>(*done) : otherwise; };
  if ((file->flags & O_NONBLOCK) != 0) return short_count(-EAGAIN);
  Wait wait;
  wait.again = [file, attempt]() -> std::optional<int64_t> {
    return (file->poll() & (POLLOUT | POLLERR | POLLHUP)) != 0 ? attempt() : std::nullopt;
  };
  wait.interrupted = [short_count] { return short_count(-EINTR); };
  wait.restarts = true;
  wait.files = {file};
  return request.wait(std::move(wait));
}

}  // namespace shrike::sandbox::microvm
