// Policy to seccomp filter, by libseccomp.

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "common/base/fd.h"
#include "sandbox/policy.h"

namespace shrike::sandbox {

namespace {

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

uint32_t action_of(Answer answer) {
  switch (answer) {
    case Answer::kill:
      return SCMP_ACT_KILL_PROCESS;
    case Answer::notify:
      return SCMP_ACT_NOTIFY;
    case Answer::error:
      break;
  }
  return SCMP_ACT_ERRNO(EPERM);
}

Error failed(const char* what, int code) { return errno_error(std::string("seccomp filter: ") + what, -code); }

Result<void> add_rule(const Context& context, const Rule& rule, uint32_t action) {
  std::vector<scmp_arg_cmp> compare;
  for (const auto& c : rule.conditions) compare.push_back({c.argument, SCMP_CMP_MASKED_EQ, c.mask, c.value});
  const int done = ::seccomp_rule_add_exact_array(context.get(), action, rule.number,
                                                  static_cast<unsigned>(compare.size()), compare.data());
  if (done < 0) return failed(call_name(CallAbi::x86_64, rule.number).c_str(), done);
  return {};
}

Result<std::vector<sock_filter>> exported(const Context& context) {
  Fd file(::memfd_create("filter", MFD_CLOEXEC));
  if (!file.valid()) return errno_error("seccomp filter: memfd_create");
  if (const int done = ::seccomp_export_bpf(context.get(), file.get()); done < 0) return failed("export", done);
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size <= 0 || size % static_cast<off_t>(sizeof(sock_filter)) != 0) return Error{"seccomp filter: odd size"};
  std::vector<sock_filter> filter(static_cast<size_t>(size) / sizeof(sock_filter));
  if (::pread(file.get(), filter.data(), static_cast<size_t>(size), 0) != size)
    return errno_error("seccomp filter: read");
  return filter;
}

}  // namespace

Result<std::vector<sock_filter>> policy_filter(const Policy& policy, Answer refused, bool notify_allowed) {
  const uint32_t refuse = action_of(refused);
  const uint32_t allow = notify_allowed ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW;
  const Context context(::seccomp_init(refuse));
  if (!context) return Error{"seccomp filter: libseccomp refuses to begin"};
  int done = ::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, refuse);
  // A binary tree over the numbers: a call costs nine comparisons and not three hundred.
  if (done == 0) done = ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (done < 0) return failed("attributes", done);
  for (const auto& rule : policy.rules()) {
    const bool silent = rule.verdict != Verdict::allow && !notify_allowed;
    const int error = rule.verdict == Verdict::absent ? rule.error : ENOSYS;
    const uint32_t action = silent ? SCMP_ACT_ERRNO(static_cast<uint32_t>(error)) : allow;
    if (action != refuse) TRY_VOID(add_rule(context, rule, action));
  }
  return exported(context);
}

}  // namespace shrike::sandbox
