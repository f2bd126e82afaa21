// Threat model: either end of a channel may be hostile: a client that sends nonsense to the service, a sandbox that was
// taken over and answers the agent with it. Any bytes must give whole frames within their bounds, then the end or an
// error; never a crash, a frame made of less than was sent, or an allocation for what was only promised.
// link: shrike_sandbox

#include <sys/socket.h>

#include <cstdlib>

#include "sandbox/channel.h"

using namespace shrike;
using namespace shrike::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  Fd writer(fds[0]);
  Channel channel{Fd(fds[1])};
  // What does not fit into the socket's buffer is cut: also a case.
  if (size > 0 && ::send(writer.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return 0;
  writer.reset();
  size_t taken = 0;
  for (;;) {
    const auto message = channel.receive();
    if (!message || !message->has_value()) break;
    taken += 8 + (*message)->payload.size();
    if (taken > size || !(*message)->fds.empty()) std::abort();
  }
  return 0;
}
