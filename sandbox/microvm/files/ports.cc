#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/files/socket_base.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint16_t first_ephemeral = 32768, last_ephemeral = 60999;

bool overlap(const Endpoint& a, const Endpoint& b) { return a.ip == b.ip || a.is_any() || b.is_any(); }

}  // namespace

bool Ports::free_for(const Endpoint& endpoint, const BasicSocket& socket) {
  auto [at, end] = bound_.equal_range(endpoint.port);
  while (at != end) {
    const auto other = at->second.socket.lock();
    if (!other) {
      at = bound_.erase(at);
      continue;
    }
    const bool both_reuse = other->reuses() && socket.reuses() && !other->listening();
    if (other.get() != &socket && !both_reuse && overlap(at->second.endpoint, endpoint)) return false;
    ++at;
  }
  return true;
}

int64_t Ports::bind(Endpoint& endpoint, const std::shared_ptr<BasicSocket>& socket) {
  if (bound_.size() >= prune_at_) {  // even a name of what has gone keeps its memory
    std::erase_if(bound_, [](const auto& entry) { return entry.second.socket.expired(); });
    prune_at_ = 2 * bound_.size() + 256;
  }
  if (endpoint.port != 0) {
    if (!free_for(endpoint, *socket)) return -EADDRINUSE;
  } else {
    for (int tries = last_ephemeral - first_ephemeral + 1; endpoint.port == 0; --tries) {
      if (tries == 0) return -EADDRINUSE;
      endpoint.port = next_;
      next_ = next_ == last_ephemeral ? first_ephemeral : static_cast<uint16_t>(next_ + 1);
      if (!free_for(endpoint, *socket)) endpoint.port = 0;
    }
  }
  bound_.emplace(endpoint.port, Bound{endpoint, socket});
  return 0;
}

std::shared_ptr<BasicSocket> Ports::find(const Endpoint& endpoint) {
  std::shared_ptr<BasicSocket> to_all;
  const auto [at, end] = bound_.equal_range(endpoint.port);
  for (auto bound = at; bound != end; ++bound) {
    const auto socket = bound->second.socket.lock();
    if (!socket) continue;
    if (bound->second.endpoint.ip == endpoint.ip) return socket;
    // "::" hears IPv4 too; "0.0.0.0" hears only that.
    const bool any = bound->second.endpoint.is_any() && (endpoint.is_v4() || !bound->second.endpoint.is_v4());
    if (any || (endpoint.is_any() && !to_all)) to_all = socket;
  }
  return to_all;
}

}  // namespace shrike::sandbox::microvm
