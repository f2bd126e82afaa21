// A machine that takes one job after the other: the next one finds nothing of the last.

#include <sys/socket.h>

#include "sandbox/microvm/backend.h"
#include "tests/kernel/vm_rig.h"

namespace shrike::sandbox::test {
namespace {

class VmReset : public InMachine {
 protected:
  void SetUp() override {
    InMachine::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto made = microvm::MicrovmBackend::open({.again = true});
    ASSERT_TRUE(made.ok()) << made.error().message;
    backend = std::move(made).value();
  }
  /// In this process, as a worker of the service would.
  Ran run_again(const Asked& asked) {
    Ran ran;
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    Channel client{Fd(ends[0])};
    Job job = asked.job;
    job.backend = Backend::microvm;
    JobFiles files;
    files.program = std::move(*sealed_file(job.arguments[0]));
    {
      Teller teller(Fd(ends[1]), job.limits);
      ran.report = backend->run(job, std::move(files), teller);
      EXPECT_TRUE(teller.finish(ran.report).ok());
    }
    for (auto message = client.receive(); message.ok() && *message; message = client.receive()) {
      if ((*message)->type == sandbox::Frame::out) ran.out += (*message)->payload;
      if ((*message)->type == sandbox::Frame::report) break;
    }
    return ran;
  }
  /// Its steps say whether a machine was made for it.
  static bool made_one(const Ran& ran) {
    return std::ranges::any_of(ran.report.steps, [](const Step& step) { return step.name == "machine"; });
  }
  std::unique_ptr<microvm::MicrovmBackend> backend;
};

TEST_F(VmReset, FpuStateOfOneJobIsNotThereInTheNext) {
  const Ran first = run_again(ask(own_program("fpu_state")));
  ASSERT_EQ(first.report.status, Status::ok) << first.report.cause;
  EXPECT_TRUE(made_one(first));
  EXPECT_TRUE(first.out.starts_with("1f80 37f 0 ")) << first.out;
  for (int job = 0; job < 3; ++job) {
    const Ran next = run_again(ask(own_program("fpu_state")));
    ASSERT_EQ(next.report.status, Status::ok) << next.report.cause;
    EXPECT_FALSE(made_one(next)) << "it was to be the same machine";
    EXPECT_EQ(next.out, first.out);
  }
}

TEST_F(VmReset, FilesAndClocksOfOneJobAreNotThereInTheNext) {
  const Asked asked = ask("/bin/busybox", {"sh", "-c", "ls /tmp; echo secret > /tmp/left; sleep 5000; echo $$"});
  const Ran first = run_again(asked), next = run_again(asked);
  ASSERT_EQ(next.report.status, Status::ok) << next.report.cause;
  EXPECT_FALSE(made_one(next));
  EXPECT_EQ(next.out.find("left"), std::string::npos) << next.out;
  ASSERT_EQ(next.report.artefacts.size(), 1u);
  EXPECT_LT(next.report.virtual_ns, 6'000'000'000'000u) << "the clock of the job before went on";
}

TEST_F(VmReset, AfterAViolationTheNextJobHasANewMachine) {
  Asked strict = ask("/bin/busybox", {"sh", "-c", "unshare -m true"});
  strict.job.profile = Profile::strict;
  const Ran violated = run_again(strict);
  ASSERT_EQ(violated.report.status, Status::violation) << violated.report.cause;
  EXPECT_TRUE(made_one(run_again(ask("/bin/busybox", {"true"}))));
}

}  // namespace
}  // namespace shrike::sandbox::test
