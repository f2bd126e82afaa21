// Commands of ioctl(2) and options of prctl(2): which are allowed, which are absent, and what they are called.

#include <asm/termbits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "sandbox/policy_calls.h"

namespace shrike::sandbox {

namespace {

struct Named {
  uint32_t value;
  std::string_view name;
};

#define NAMED(name) \
  { static_cast<uint32_t>(name), #name }

constexpr Named plain[] = {NAMED(TCGETS),         NAMED(TCSETS),
                           NAMED(TCSETSW),        NAMED(TCSETSF),
                           NAMED(TCGETS2),        NAMED(TCSETS2),
                           NAMED(TCSETSW2),       NAMED(TCSETSF2),
                           NAMED(TCGETA),         NAMED(TIOCGWINSZ),
                           NAMED(TIOCSWINSZ),     NAMED(TIOCGPGRP),
                           NAMED(TIOCSPGRP),      NAMED(TIOCGSID),
                           NAMED(TIOCNOTTY),      NAMED(TIOCSCTTY),
                           NAMED(TCFLSH),         NAMED(TCSBRK),
                           NAMED(TCSBRKP),        NAMED(TCXONC),
                           NAMED(FIONREAD),       NAMED(FIONBIO),
                           NAMED(FIOASYNC),       NAMED(FIOCLEX),
                           NAMED(FIONCLEX),       NAMED(TIOCOUTQ),
                           NAMED(TIOCGPTN),       NAMED(TIOCSPTLCK),
                           NAMED(TIOCGPTLCK),     NAMED(TIOCGPTPEER),
                           NAMED(TIOCEXCL),       NAMED(TIOCNXCL),
                           NAMED(TIOCGEXCL),      NAMED(TIOCPKT),
                           NAMED(SIOCGIFCONF),    NAMED(SIOCGIFNAME),
                           NAMED(SIOCGIFFLAGS),   NAMED(SIOCGIFADDR),
                           NAMED(SIOCGIFNETMASK), NAMED(SIOCGIFMTU),
                           NAMED(SIOCGIFHWADDR),  NAMED(SIOCGIFINDEX),
                           NAMED(SIOCATMARK),     {0x5393, "CDROMREADTOCHDR"}};  // what virtual machine checks ask

constexpr Named absent[] = {NAMED(FICLONE),
                            NAMED(FICLONERANGE),
                            NAMED(FIDEDUPERANGE),
                            NAMED(FS_IOC_GETFLAGS),
                            NAMED(FS_IOC_SETFLAGS),
                            NAMED(FS_IOC_GETVERSION),
                            NAMED(FS_IOC_FIEMAP),
                            NAMED(FS_IOC_FSGETXATTR),
                            NAMED(FS_IOC_FSSETXATTR),
                            NAMED(FS_IOC_GETFSLABEL),
                            NAMED(FS_IOC_MEASURE_VERITY),
                            NAMED(FIGETBSZ),
                            NAMED(FIOQSIZE),
                            NAMED(FIBMAP),
                            NAMED(BLKGETSIZE),
                            NAMED(BLKGETSIZE64),
                            NAMED(BLKSSZGET),
                            NAMED(BLKPBSZGET),
                            NAMED(TIOCGETD),
                            NAMED(TIOCMGET),
                            NAMED(TIOCGSERIAL),
                            NAMED(TIOCGSOFTCAR),
                            NAMED(TIOCGLCKTRMIOS),
                            NAMED(TIOCGDEV),
                            NAMED(SIOCGIFBRDADDR),
                            NAMED(SIOCGIFDSTADDR),
                            NAMED(SIOCGIFMETRIC),
                            NAMED(SIOCGIFTXQLEN),
                            NAMED(SIOCETHTOOL),
                            {0x8b01, "SIOCGIWNAME"},
                            {0x4b44, "KDGKBMODE"},
                            {0x4b33, "KDGKBTYPE"},
                            {0x4b3b, "KDGETMODE"},
                            {0x5603, "VT_GETSTATE"},
                            {0x5326, "CDROM_DRIVE_STATUS"},
                            {0x5331, "CDROM_GET_CAPABILITY"},
                            {0x80045200, "RNDGETENTCNT"},
                            {0x80306d02, "MTIOCGET"},
                            {0xd000943e, "BTRFS_IOC_INO_LOOKUP"},
                            {0x5000943b, "BTRFS_IOC_SUBVOL_GETFLAGS"}};

constexpr Named refused[] = {NAMED(TIOCSTI),
                             NAMED(TIOCLINUX),
                             NAMED(TIOCSETD),
                             NAMED(TIOCCONS),
                             NAMED(TIOCVHANGUP),
                             NAMED(BLKDISCARD),
                             NAMED(BLKZEROOUT),
                             NAMED(BLKRRPART),
                             {0x2285, "SG_IO"},
                             {0xae00, "KVM_GET_API_VERSION"},
                             {0xae01, "KVM_CREATE_VM"},
                             NAMED(SIOCSIFFLAGS),
                             NAMED(SIOCSIFADDR),
                             NAMED(SIOCADDRT),
                             {0x400454ca, "TUNSETIFF"}};

constexpr Named options[] = {NAMED(PR_SET_SECCOMP),
                             NAMED(PR_SET_MM),
                             NAMED(PR_SET_SECUREBITS),
                             NAMED(PR_SET_TSC),
                             NAMED(PR_SET_SYSCALL_USER_DISPATCH),
                             NAMED(PR_SCHED_CORE),
                             NAMED(PR_SET_TAGGED_ADDR_CTRL),
                             NAMED(PR_SET_IO_FLUSHER),
                             NAMED(PR_MCE_KILL)};

template <size_t count>
constexpr auto values(const Named (&named)[count]) {
  std::array<uint32_t, count> all{};
  std::transform(std::begin(named), std::end(named), all.begin(), [](const Named& one) { return one.value; });
  return all;
}
constexpr auto plain_values = values(plain);
constexpr auto absent_values = values(absent);

std::string_view find(std::span<const Named> names, uint32_t value) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const Named& one) { return one.value == value; });
  return found == names.end() ? std::string_view() : found->name;
}

}  // namespace

std::span<const uint32_t> plain_ioctls() { return plain_values; }
std::span<const uint32_t> absent_ioctls() { return absent_values; }

std::string_view ioctl_name(uint32_t command) {
  for (const std::span<const Named> names : {std::span<const Named>(plain), {absent}, {refused}})
    if (const auto name = find(names, command); !name.empty()) return name;
  return {};
}

std::string_view prctl_name(uint32_t option) { return find(options, option); }

}  // namespace shrike::sandbox
