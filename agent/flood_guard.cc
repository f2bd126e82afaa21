#include "agent/flood_guard.h"

#include <xxhash.h>

#include "common/base/bytes.h"

namespace shrike::agent {
namespace {

template <class T>
void append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

FloodGuard::Key FloodGuard::key_of(const Event& event, const Alert& alert) {
  std::string text = alert.rule;
  text += '\0';
  append(text, event.kind);
  append(text, event.task.pid);
  append(text, event.task.start_ns);
  text += event.full_path.empty() ? event.real_path : event.full_path;
  text += '\0';
  text += event.full_path2;
  append(text, event.socket.remote);
  append(text, event.socket.remote_port);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

bool FloodGuard::admit(const Event& event, Alert& alert, std::vector<Alert>& early) {
  const Key key = key_of(event, alert);
  if (const auto at = open_.find(key); at != open_.end()) {
    Finding& finding = at->second;
    ++suppressed_;
    ++finding.count;
    alert.uid = finding.uid;
    finding.last = std::move(alert);
    return false;
  }
  // The time makes it another finding when it comes back later; replay gives the same.
  std::string id;
  append(id, key.low);
  append(id, key.high);
  append(id, alert.time_ns);
  id += alert.node;
  const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
  id.clear();
  append(id, hash.low64);
  append(id, hash.high64);
  alert.uid = hex(id);

  if (open_.size() >= max_findings) close_oldest(early);
  open_.emplace(key, Finding{{}, alert.uid, 1});
  order_.emplace_back(alert.time_ns + window_ns, key);
  return true;
}

void FloodGuard::close_oldest(std::vector<Alert>& due) {
  const auto at = open_.find(order_.front().second);
  order_.pop_front();
  if (at->second.count > 1) {
    due.push_back(std::move(at->second.last));
    due.back().count = at->second.count;
  }
  open_.erase(at);
}

void FloodGuard::expire(uint64_t now_ns, std::vector<Alert>& due) {
  while (!order_.empty() && order_.front().first <= now_ns) close_oldest(due);
}

}  // namespace shrike::agent
