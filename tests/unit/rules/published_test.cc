// What Falco's other published rule files ask for: falcosecurity/rules, commit c72713e, falco_rules.yaml,
// falco-incubating_rules.yaml and falco-sandbox_rules.yaml, 93 rules. The files themselves are no part of the project.
#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

constexpr const char* fields[] = {"container.id",
                                  "container.image.repository",
                                  "container.mount.dest[/proc*]",
                                  "container.mounts",
                                  "container.privileged",
                                  "container.start_ts",
                                  "evt.arg.cmd",
                                  "evt.arg.domain",
                                  "evt.arg.fd",
                                  "evt.arg.filename",
                                  "evt.arg.flags",
                                  "evt.arg.linkpath",
                                  "evt.arg.mode",
                                  "evt.arg.name",
                                  "evt.arg.newpath",
                                  "evt.arg.oldpath",
                                  "evt.arg.path",
                                  "evt.arg.request",
                                  "evt.arg.target",
                                  "evt.arg.uid",
                                  "evt.args",
                                  "evt.buffer",
                                  "evt.is_open_exec",
                                  "evt.is_open_read",
                                  "evt.is_open_write",
                                  "evt.num",
                                  "evt.rawres",
                                  "evt.res",
                                  "evt.type",
                                  "fd.cip",
                                  "fd.cip.name",
                                  "fd.cnet",
                                  "fd.connected",
                                  "fd.directory",
                                  "fd.filename",
                                  "fd.ip",
                                  "fd.l4proto",
                                  "fd.lip.name",
                                  "fd.lport",
                                  "fd.name",
                                  "fd.name_changed",
                                  "fd.nameraw",
                                  "fd.net",
                                  "fd.num",
                                  "fd.port",
                                  "fd.rip",
                                  "fd.rip.name",
                                  "fd.rnet",
                                  "fd.rport",
                                  "fd.sip",
                                  "fd.sip.name",
                                  "fd.snet",
                                  "fd.sockfamily",
                                  "fd.sport",
                                  "fd.type",
                                  "fd.typechar",
                                  "group.gid",
                                  "group.name",
                                  "k8s.ns.name",
                                  "k8s.pod.name",
                                  "proc.aexe",
                                  "proc.aexepath[2]",
                                  "proc.aname",
                                  "proc.args",
                                  "proc.cmdline",
                                  "proc.cwd",
                                  "proc.duration",
                                  "proc.env",
                                  "proc.exe",
                                  "proc.exe_ino.ctime",
                                  "proc.exe_ino.ctime_duration_proc_start",
                                  "proc.exe_ino.mtime",
                                  "proc.exepath",
                                  "proc.is_exe_from_memfd",
                                  "proc.is_exe_upper_layer",
                                  "proc.is_vpgid_leader",
                                  "proc.name",
                                  "proc.pcmdline",
                                  "proc.pexe",
                                  "proc.pexepath",
                                  "proc.pname",
                                  "proc.sname",
                                  "proc.tty",
                                  "proc.vpid",
                                  "thread.cap_effective",
                                  "thread.cap_permitted",
                                  "user.loginname",
                                  "user.loginuid",
                                  "user.name",
                                  "user.uid"};
static_assert(std::size(fields) == 90);

// recvfrom and recvmsg are calls of theirs too, and no events of ours.
constexpr const char* calls[] = {
    "accept", "accept4",  "bpf",       "chmod",   "connect",  "creat",       "dup",          "dup2",
    "dup3",   "execve",   "execveat",  "fchmod",  "fchmodat", "init_module", "finit_module", "link",
    "linkat", "listen",   "mkdir",     "mkdirat", "open",     "openat",      "openat2",      "ptrace",
    "rename", "renameat", "renameat2", "rmdir",   "sendmsg",  "sendto",      "setns",        "setuid",
    "socket", "symlink",  "symlinkat", "unlink",  "unlinkat", "unshare",     "userfaultfd"};
static_assert(std::size(calls) == 39);

std::string remark_on(const std::string& condition) {
  std::vector<RuleStatus> all;
  const auto rules = RuleSet::compile({{"t", rule_text(condition)}}, &all);
  return rules.ok() ? all.at(0).reason : rules.error().message;
}

TEST(PublishedRules, UseFieldsThatAreKnown) {
  for (const char* field : fields) {
    EXPECT_EQ(compile_error(rule_text(std::string(field) + " exists")), "") << field;
    EXPECT_EQ(compile_error("- rule: R\n  condition: evt.type=execve\n  output: a %" + std::string(field) +
                            " b\n  priority: INFO\n"),
              "")
        << field;
  }
}

TEST(PublishedRules, UseCallsThatAreKnown) {
  for (const char* call : calls) {
    const std::string remark = remark_on("evt.type=" + std::string(call) + " and proc.name=x");
    EXPECT_EQ(remark.find("no event of ours"), std::string::npos) << remark;
    EXPECT_EQ(remark.find("never fires"), std::string::npos) << remark;
  }
}

// Three of the 93: two ask for a process's environment, one for what was received.
TEST(PublishedRules, ThatCannotFireLoadAndSaySo) {
  const std::string environment = remark_on("evt.type in (execve, execveat) and proc.env contains HTTP_PROXY");
  EXPECT_NE(environment.find("never fires: no event has \"proc.env\""), std::string::npos) << environment;
  const std::string received = remark_on("evt.type=recvfrom and evt.buffer bcontains 4745");
  EXPECT_NE(received.find("no event of ours has evt.type recvfrom"), std::string::npos) << received;
  EXPECT_NE(received.find("never fires"), std::string::npos) << received;
}

TEST(PublishedRules, UseOperatorsThatAreKnown) {
  for (const char* condition :
       {"proc.name != a", "proc.duration < 1", "proc.duration <= 1", "proc.name = a", "proc.duration >= 1",
        "evt.args bcontains 4745", "proc.args contains a", "fd.name endswith a", "proc.env exists",
        "fd.name glob '/a/*'", "proc.env icontains a", "proc.name in (a, b)", "proc.aname intersects (a)",
        "fd.name pmatch (/a)", "fd.name startswith /a"})
    EXPECT_EQ(compile_error(rule_text(condition)), "") << condition;
}

}  // namespace
}  // namespace shrike::scoring
