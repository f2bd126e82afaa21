#pragma once
// A job in a machine, through all of the backend.

#include "tests/kernel/sandbox_rig.h"

namespace shrike::sandbox::test {

class InMachine : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("kvm", ::access("/dev/kvm", R_OK | W_OK) == 0);
    SHRIKE_NEED("root", ::geteuid() == 0);
  }
  static Ran run_here(Asked asked) {
    asked.job.backend = Backend::microvm;
    asked.job.limits.wall = asked.job.limits.cpu = std::chrono::seconds(120);
    Ran ran = run(std::move(asked));
    EXPECT_EQ(ran.refused, "");
    EXPECT_NE(ran.report.status, Status::internal_error) << ran.report.cause;
    EXPECT_EQ(ran.report.trace, "vm");
    return ran;
  }
};

}  // namespace shrike::sandbox::test
