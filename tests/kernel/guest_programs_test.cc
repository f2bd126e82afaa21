// Debian's own programs, unmodified, in the guest.

#include <sys/syscall.h>

#include <algorithm>

#include "tests/kernel/guest_rig.h"
#include "tests/require.h"

namespace shrike::sandbox::microvm::testing {
namespace {

class GuestPrograms : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("kvm", ::access("/dev/kvm", R_OK | W_OK) == 0); }
};

// Every thing that was told has its place.
void check_order(const Ran& ran) {
  for (size_t i = 0; i < ran.told.size(); ++i) ASSERT_EQ(ran.told[i].seq, i);
  EXPECT_EQ(ran.report.events_dropped, 0u);
}

TEST_F(GuestPrograms, SingleOnesStaticAndDynamic) {
  struct Case {
    std::vector<std::string> words;
    std::string out;
  };
  for (const Case& each :
       std::vector<Case>{{{"/bin/busybox", "echo", "hello"}, "hello\n"},
                         {{"/usr/bin/sha256sum", "/dev/null"},
                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /dev/null\n"},
                         {{"/usr/bin/openssl", "base64", "-e", "-in", "/etc/hostname"}, "aG9zdAo=\n"},
                         {{"/usr/bin/python3", "-c", "print(sum(range(1000)))"}, "499500\n"},
                         {{"/usr/bin/sqlite3", ":memory:", "select 6*7"}, "42\n"}}) {
    if (::access(each.words.front().c_str(), X_OK) != 0) continue;
    const Ran ran(each.words);
    EXPECT_EQ(ran.report.status, Status::ok) << each.words.front() << ": " << ran.report.cause << ran.err;
    EXPECT_EQ(ran.out, each.out) << each.words.front() << ran.err;
    check_order(ran);
  }
}

TEST_F(GuestPrograms, AScriptWithPipelinesRunsWhole) {
  const Ran ran({"/tmp/script"}, R"(#!/bin/sh
echo c b a | tr ' ' '\n' | sort | head -n 2
for i in 1 2 3; do (sleep $i; echo slept $i) & done; wait
trap 'echo caught' USR1; kill -USR1 $$
mkfifo p; (echo through > p) & cat p
exit 7
)");
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.report.exit_code, 7);
  EXPECT_EQ(ran.out, "a\nb\nslept 1\nslept 2\nslept 3\ncaught\nthrough\n") << ran.err;
  EXPECT_GE(ran.report.virtual_ns, 3'000'000'000u);
  check_order(ran);
}

TEST_F(GuestPrograms, ADropperIsToldWithItsSecondStage) {
  const Ran ran({"/tmp/script"}, R"(#!/bin/sh
printf '#!/bin/sh\necho second stage; echo secret > /tmp/loot' | gzip | base64 > packed
base64 -d packed | gunzip > .stage && chmod +x .stage && ./.stage
)");
  EXPECT_EQ(ran.out, "second stage\n") << ran.err;
  const auto of_stage = [](const Call& call) {
    return call.kind == CallKind::exec && std::any_of(call.texts.begin(), call.texts.end(), [](const CallText& text) {
             return text.kind == TextKind::argv && text.text.find("./.stage") != std::string::npos;
           });
  };
  const auto exec = std::find_if(ran.told.begin(), ran.told.end(), of_stage);
  ASSERT_NE(exec, ran.told.end());
  EXPECT_TRUE(std::any_of(exec, ran.told.end(), [&](const Call& call) {
    return call.pid == exec->pid && call.kind == CallKind::call &&
           std::any_of(call.texts.begin(), call.texts.end(),
                       [](const CallText& text) { return text.text == "/tmp/loot"; });
  }));
  check_order(ran);
}

TEST_F(GuestPrograms, ThreadsSignalsTimersAndProcessesOfPython) {
  const Ran ran({"/usr/bin/python3", "/tmp/script"}, R"(
import os, queue, select, signal, socket, subprocess, threading, time
q = queue.Queue()
threads = [threading.Thread(target=lambda: [q.put(i) for i in range(50)]) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(q.qsize())
start = time.monotonic(); time.sleep(30); print(round(time.monotonic() - start))
print(subprocess.check_output("echo hi | cat", shell=True))
signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.alarm(2); signal.pause()
r, w = os.pipe(); poll = select.epoll(); poll.register(r, select.EPOLLIN)
print(poll.poll(1)); os.write(w, b"x"); print(poll.poll(1) == [(r, select.EPOLLIN)])
s = socket.create_connection(("203.0.113.7", 80)); s.sendall(b"GET / HTTP/1.0\r\n\r\n"); print(s.recv(5))
)");
  EXPECT_EQ(ran.out, "400\n30\nb'hi\\n'\nalarm\n[]\nTrue\nb'HTTP/'\n") << ran.err;
  ASSERT_EQ(ran.report.connections.size(), 1u);
  EXPECT_EQ(ran.report.connections[0].address, "203.0.113.7:80");
  check_order(ran);
}

TEST_F(GuestPrograms, EveryOneOfManyCallsIsTold) {
  const Ran ran({"/usr/bin/python3", "/tmp/script"}, R"(
import os, threading
def calls():
    for i in range(1000): os.getpriority(os.PRIO_PROCESS, 0)
for i in range(2):
    if os.fork() == 0: break
threads = [threading.Thread(target=calls) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
try:
    while True: os.wait()
except ChildProcessError: pass
)");
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause << ran.err;
  EXPECT_EQ(
      std::count_if(ran.told.begin(), ran.told.end(), [](const Call& call) { return call.number == SYS_getpriority; }),
      6000);
  check_order(ran);
}

}  // namespace
}  // namespace shrike::sandbox::microvm::testing
