#include "agent/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

namespace shrike::agent {
namespace {

// linux-libc-dev knows these; libcap's names may be older than the kernel.
std::vector<cap_value_t> kept_for(const ResponseNeeds& needs) {
  std::vector<cap_value_t> kept = {CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH};
  if (needs.signals) kept.push_back(CAP_KILL);
  if (needs.network) kept.push_back(CAP_NET_ADMIN);
  return kept;
}

/// Owns what libcap gave.
struct Capabilities {
  cap_t set = nullptr;
  explicit Capabilities(cap_t given) : set(given) {}
  ~Capabilities() {
    if (set != nullptr) cap_free(set);
  }
  Capabilities(const Capabilities&) = delete;
  Capabilities& operator=(const Capabilities&) = delete;
};

}  // namespace

Result<void> forbid_dumps() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return errno_error("setrlimit(RLIMIT_CORE)");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno_error("prctl(PR_SET_DUMPABLE)");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("prctl(PR_SET_NO_NEW_PRIVS)");
  return {};
}

Result<void> drop_capabilities(const ResponseNeeds& needs) {
  const std::vector<cap_value_t> kept = kept_for(needs);
  // The bounding set first: that needs CAP_SETPCAP. Without it (a service manager may have taken it) nothing is lost:
  // with no-new-privileges nothing can be gained from the bounding set.
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    if (std::find(kept.begin(), kept.end(), capability) == kept.end())
      (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

  const Capabilities now(cap_get_proc());
  const Capabilities next(cap_init());
  if (now.set == nullptr || next.set == nullptr) return errno_error("capabilities");
  for (const cap_value_t one : kept) {
    cap_flag_value_t have = CAP_CLEAR;
    if (cap_get_flag(now.set, one, CAP_PERMITTED, &have) != 0 || have != CAP_SET) continue;
    if (cap_set_flag(next.set, CAP_PERMITTED, 1, &one, CAP_SET) != 0 ||
        cap_set_flag(next.set, CAP_EFFECTIVE, 1, &one, CAP_SET) != 0)
      return errno_error("capabilities");
  }
  if (cap_set_proc(next.set) != 0) return errno_error("capset");
  return {};
}

}  // namespace shrike::agent
