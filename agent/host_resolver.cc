#include "agent/host_resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds ask_every = 60s;
constexpr std::chrono::milliseconds first_pause = 1s;  // for what is not known: twice as long each time
constexpr size_t addresses_max = 256;                  // of one name

}  // namespace

std::optional<std::vector<std::string>> look_up_host(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error == EAI_NONAME || error == EAI_NODATA) return std::vector<std::string>{};
  if (error != 0) return std::nullopt;
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr && addresses.size() < addresses_max; at = at->ai_next) {
    if (at->ai_family == AF_INET) {
      const auto& ip = reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr;
      addresses.emplace_back(reinterpret_cast<const char*>(&ip), sizeof ip);
    } else if (at->ai_family == AF_INET6) {
      const auto& ip = reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr;
      addresses.emplace_back(reinterpret_cast<const char*>(&ip), sizeof ip);
    }
  }
  ::freeaddrinfo(found);
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

struct HostResolver::Shared {
  explicit Shared(LookUpHost given) : look_up(std::move(given)) {}

  static void run(const std::shared_ptr<Shared>& self);
  [[nodiscard]] std::shared_ptr<const scoring::HostNames> by_address() const;

  const LookUpHost look_up;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::string> names;
  uint64_t asked = 0;  // how often `names` was set
  bool stopping = false;
  bool running = false;
  std::map<std::string, std::vector<std::string>> known;  // name -> addresses
  std::shared_ptr<const scoring::HostNames> fresh;        // not taken yet
};

std::shared_ptr<const scoring::HostNames> HostResolver::Shared::by_address() const {
  auto out = std::make_shared<scoring::HostNames>();
  for (const auto& [name, addresses] : known)
    for (const std::string& address : addresses) out->names[address].push_back(name);
  return out;
}

void HostResolver::Shared::run(const std::shared_ptr<Shared>& self) {
  std::unique_lock lock(self->mutex);
  auto pause = first_pause;
  while (!self->stopping) {
    const uint64_t asked = self->asked;
    const std::vector<std::string> names = self->names;
    bool all = true;
    bool changed = false;
    for (const std::string& name : names) {
      lock.unlock();
      auto answer = self->look_up(name);
      lock.lock();
      if (self->stopping) return;
      if (self->asked != asked) break;
      all = all && answer && !answer->empty();
      if (!answer || self->known[name] == *answer) continue;
      self->known[name] = *std::move(answer);
      changed = true;
    }
    if (changed) self->fresh = self->by_address();
    if (self->asked != asked) {
      pause = first_pause;
      continue;
    }
    pause = all ? ask_every : std::min(pause, ask_every);
    self->wake.wait_for(lock, pause, [&] { return self->stopping || self->asked != asked; });
    pause = self->asked != asked ? first_pause : pause * 2;
  }
}

HostResolver::HostResolver(LookUpHost look_up) : shared_(std::make_shared<Shared>(std::move(look_up))) {}

HostResolver::~HostResolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->wake.notify_all();
}

void HostResolver::ask_for(std::vector<std::string> names) {
  const std::lock_guard lock(shared_->mutex);
  std::erase_if(shared_->known,
                [&](const auto& entry) { return std::find(names.begin(), names.end(), entry.first) == names.end(); });
  shared_->names = std::move(names);
  ++shared_->asked;
  shared_->fresh = shared_->by_address();
  shared_->wake.notify_all();
  if (shared_->running || shared_->names.empty()) return;
  shared_->running = true;
  // Detached: a name service can take half a minute to say that it does not answer, and nobody waits for it at the end.
  std::thread([shared = shared_] { Shared::run(shared); }).detach();
}

std::shared_ptr<const scoring::HostNames> HostResolver::take() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->fresh, nullptr);
}

}  // namespace shrike::agent
