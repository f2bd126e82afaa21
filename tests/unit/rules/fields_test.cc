// What Falco's fields mean, trap by trap.
#include <gtest/gtest.h>

#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

void expect_all(const Event& event, std::initializer_list<const char*> conditions) {
  for (const char* condition : conditions) EXPECT_TRUE(holds(condition, event)) << condition;
}
void expect_none(const Event& event, std::initializer_list<const char*> conditions) {
  for (const char* condition : conditions) EXPECT_FALSE(holds(condition, event)) << condition;
}

TEST(Fields, CommandLineIsNameAndArgumentsButExeIsArgv0) {
  Scene s(K::exec);
  s.program("/usr/bin/example", {"-a", "b c"}).argv0("./relative/example");
  expect_all(s.event,
             {"proc.cmdline=\"example -a b c\"", "proc.args=\"-a b c\"", "proc.exe=./relative/example",
              "proc.exepath=/usr/bin/example", "proc.cmdnargs=2", "proc.arg[0]=./relative/example",
              "proc.arg[2]=\"b c\"", "proc.pname=bash and proc.pexepath=/usr/bin/bash and proc.pcmdline=bash"});
}

TEST(Fields, NamesEndBehindFifteenCharacters) {
  Scene s(K::exec);
  s.program("/usr/lib/systemd/systemd-networkd");
  expect_all(s.event, {"proc.name=systemd-network", "proc.exepath endswith /systemd-networkd",
                       "not proc.name=systemd-networkd", "len(proc.name)=15"});
}

TEST(Fields, AncestorsWithoutANumberMeanAnyAndNotTheProcessItself) {
  Scene s(K::exec);
  expect_all(s.event, {"proc.aname=bash", "proc.aname=systemd", "proc.aname[0]=example", "proc.aname[1]=bash",
                       "proc.aname[2]=systemd", "proc.aname in (x, systemd)", "proc.aexepath[2] endswith /systemd",
                       "proc.apid[1]=100", "proc.aname startswith sys"});
  expect_none(s.event, {"proc.aname=example", "proc.aname[3] exists"});
}

TEST(Fields, WorkingDirectoriesEndInASlash) {
  Scene s(K::exec);
  s.event.cwd = "/dev/shm";
  expect_all(s.event, {"proc.cwd=/dev/shm/"});
  s.event.cwd = "/";
  expect_all(s.event, {"proc.cwd=/"});
}

TEST(Fields, ExecIsNamedByItsCallWhateverTheAbi) {
  Scene s(K::exec);
  expect_all(s.call(59).event,
             {"evt.type=execve", "syscall.type in (execve)", "evt.kind=exec", "evt.dir=<", "evt.res=SUCCESS"});
  expect_all(s.call(322).event, {"evt.type=execveat"});
  expect_all(s.flag(flag_compat32).call(11).event, {"evt.type=execve", "evt.is_compat=true"});
  s.event.flags = flag_x32;
  expect_all(s.call(545).event, {"evt.type=execveat"});
}

TEST(Fields, AFailedExecIsAnExecveOfTheCaller) {
  Scene s(K::exec_failed);
  s.event.syscall = 59;
  expect_all(s.event, {"evt.type=execve", "evt.failed=true", "evt.res=ENOENT", "evt.rawres=-2", "proc.name=example"});
}

TEST(Fields, FailedOpensHaveDescriptorMinusOneAndTypeF) {
  Scene s(K::open);
  s.call(257).reads("/etc/shadow").fails(13);
  expect_all(s.event, {"fd.num=-1", "fd.typechar=f", "fd.type=file", "evt.res=EACCES", "evt.res startswith E",
                       "fd.name=/etc/shadow",
                       "evt.type in (open,openat,openat2) and fd.typechar='f' and fd.num=-1 and evt.res startswith E"});
  expect_none(s.event, {"fd.num>=0", "fd.realpath exists", "evt.res=SUCCESS"});
}

TEST(Fields, OpeningForReadingAndWritingIsBoth) {
  Scene s(K::open);
  expect_all(s.opens("/a", O_RDWR | O_CLOEXEC).event,
             {"evt.is_open_read=true", "evt.is_open_write=true", "evt.arg.flags=O_RDWR|O_CLOEXEC"});
  expect_all(s.opens("/a", O_RDONLY).event,
             {"evt.is_open_read=true", "evt.is_open_write=false", "evt.arg.flags=O_RDONLY"});
  expect_all(
      s.opens("/a", O_WRONLY | O_CREAT | O_TRUNC).arg(1, 0755).event,
      {"evt.is_open_read=false", "evt.is_open_write=true", "evt.is_open_exec=true", "evt.arg.flags contains O_TRUNC",
       "evt.arg.mode contains S_IXUSR", "evt.arg[0]=3", "evt.rawarg.flags=0x241"});
  expect_all(s.call(85).opens("/a", 0).event, {"evt.type=creat", "evt.is_open_write=true"});
}

TEST(Fields, AFileHasANormalisedNameAndARealPath) {
  Scene s(K::open);
  s.reads("/etc/x");
  s.event.path.text = "../etc//x";
  s.real("/srv/data/y");
  expect_all(s.event,
             {"fd.name=/etc/x", "fd.nameraw=../etc//x", "fd.directory=/etc", "fd.filename=x", "fd.realpath=/srv/data/y",
              "fd.realdirectory=/srv/data", "fd.realfilename=y", "evt.arg.name=/etc/x", "fs.path.name=/etc/x"});
}

TEST(Fields, CallsWithTwoPathsNameBoth) {
  Scene s(K::rename);
  s.path("/tmp/a").path2("/etc/b");
  expect_all(s.event, {"evt.arg.oldpath=/tmp/a", "evt.arg.newpath=/etc/b", "fs.path.source=/tmp/a",
                       "fs.path.target=/etc/b", "fs.path.new=/etc/b"});
  Scene l(K::symlink);
  l.path("/etc/shadow").path2("/tmp/x");
  expect_all(l.event, {"evt.arg.target=/etc/shadow", "evt.arg.linkpath=/tmp/x", "fs.path.target=/etc/shadow",
                       "fs.path.source=/tmp/x", "fs.path.new=/tmp/x"});
  l.event.path.text = "shadow";
  expect_all(l.event, {"evt.arg.target=shadow"});
}

TEST(Fields, ClientAndServerDependOnWhoCalled) {
  Scene c(K::connect);
  c.tcp({10, 0, 0, 1}, 40000, {10, 0, 0, 2}, 22).arg(0, 5);
  expect_all(c.event, {"fd.cport=40000", "fd.sport=22", "fd.num=5", "fd.is_server=false", "fd.connected=true"});
  Scene a(K::accept);
  a.tcp({10, 0, 0, 1}, 22, {10, 0, 0, 2}, 40000);
  a.event.result = 7;
  expect_all(a.event, {"fd.cport=40000", "fd.sport=22", "fd.cip=10.0.0.2", "fd.lport=22", "fd.num=7",
                       "fd.is_server=true", "fd.name=\"10.0.0.2:40000->10.0.0.1:22\""});
  Scene u(K::connect);
  u.unix_socket("/run/docker.sock");
  expect_all(u.event, {"fd.name=/run/docker.sock", "fd.type=unix", "fd.typechar=u", "fd.sockfamily=unix"});
  expect_none(u.event, {"fd.sport exists", "fd.l4proto exists"});
}

TEST(Fields, MappedAddressesAreIPv4) {
  Scene s(K::connect);
  s.tcp({}, 1, {}, 2);
  s.event.socket.family = 10;
  const std::array<uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  s.event.socket.remote = mapped;
  s.event.socket.local = {0x20, 1, 0xd, 0xb8};
  expect_all(s.event, {"fd.sip=127.0.0.1", "fd.snet=127.0.0.0/8", "fd.cip=2001:db8::", "fd.cnet=\"2001:db8::/32\"",
                       "fd.type=ipv6"});
}

TEST(Fields, UsersAreEffectiveAndContainersAreTwelveCharacters) {
  Scene s(K::exec);
  expect_all(s.event,
             {"user.uid=1000", "user.name=alice", "user.loginuid=-1", "container.id=host", "container.type=host"});
  expect_all(s.euid(0).event, {"user.uid=0", "user.name=root", "thread.uid=1000", "thread.euid=0"});
  expect_all(s.in_container().event, {"container.id=0123456789ab", "container.id != host", "container.type=docker"});
}

TEST(Fields, TerminalsAreNumberedAsFalcoDoes) {
  Scene s(K::exec);
  expect_all(s.event, {"proc.tty=0"});
  s.event.task.tty = 136u << 20 | 1;
  expect_all(s.event, {"proc.tty=34817", "proc.tty != 0"});
}

TEST(Fields, NumbersOfTheKernelHaveNames) {
  Scene p(K::ptrace);
  Scene memory(K::memfd);
  memory.event.path.text = "x";
  expect_all(memory.arg(0, 0x7ffe12345678).arg(1, 3).event,
             {"evt.arg.flags=MFD_CLOEXEC|MFD_ALLOW_SEALING", "evt.rawarg.flags=3", "evt.arg.name=x"});
  expect_all(p.arg(0, 16).event, {"evt.arg.request=PTRACE_ATTACH", "evt.type=ptrace"});
  Scene n(K::socket);
  n.event.socket.family = 17;
  expect_all(n.arg(0, 17).arg(1, 3).event, {"evt.arg.domain contains AF_PACKET", "evt.arg.type=SOCK_RAW"});
  Scene m(K::chmod);
  expect_all(m.arg(0, 04755).event, {"evt.arg.mode contains S_ISUID"});
  Scene g(K::signal);
  expect_all(g.arg(0, 9).event, {"evt.arg.sig=SIGKILL"});
  Scene w(K::map_wx);
  expect_all(w.arg(2, 7).call(9).event, {"evt.arg.prot=PROT_READ|PROT_WRITE|PROT_EXEC", "evt.type=mmap"});
  Scene b(K::bpf);
  expect_all(b.arg(0, 5).event, {"evt.arg.cmd=BPF_PROG_LOAD"});
  Scene u(K::uring_op);
  expect_all(u.arg(0, 18).event, {"uring.op=openat", "evt.type=io_uring_enter"});
  Scene f(K::fork);
  expect_all(f.arg(0, 0x10000011).event, {"ns.new=user", "evt.arg.flags contains CLONE_NEWUSER"});
  Scene e(K::exec);
  e.event.task.cap_effective = 1u << 16 | 1u << 21;
  expect_all(e.event,
             {"thread.cap_effective icontains sys_module", "thread.cap_effective=\"CAP_SYS_MODULE CAP_SYS_ADMIN\""});
}

TEST(Fields, ExecFlagsStayWithTheProcess) {
  Scene s(K::exec);
  expect_all(s.flag(flag_memfd).event, {"proc.is_exe_from_memfd=true", "proc.is_exe_upper_layer=false"});
  Scene later(K::open);
  later.self().exec_flags = flag_upper;
  expect_all(later.reads("/a").event, {"proc.is_exe_upper_layer=true", "proc.is_exe_from_memfd=false"});
}

TEST(Fields, EventNumbersBeginAtOne) {
  Scene s(K::exec);
  expect_all(s.event, {"evt.num>=1", "not evt.num=0"});
}

TEST(Fields, AnEventWithoutAProcessDisturbsNothing) {
  Scene s(K::exec);
  s.event.process = nullptr;
  expect_all(s.event, {"proc.name=example", "container.id=host", "not proc.cmdline exists", "evt.hostname=web-1"});
  for (size_t k = 0; k < 200; ++k) {
    s.event.kind = static_cast<K>(k);
    holds("evt.args contains x or proc.name=q", s.event);
  }
}

}  // namespace
}  // namespace shrike::scoring
