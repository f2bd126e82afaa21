#include "agent/sequence/sequence_alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike::sequence {
namespace {
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t new_program = 1, new_ngram = 2, profile_full = 3, shipped = 4;

class Alerts : public ::testing::Test {
 protected:
  Alerts() {
    process_.exe = "/usr/sbin/nginx";
    process_.task.exe_inode = 7;
    event_.kind = EventKind::sequence;
    event_.time_ns = 1000;
    event_.task.exe_inode = event_.object.inode = 7;
    event_.object.ctime_ns = 8;
    event_.object.device = 9;
    event_.process = &process_;
    // start, read, write, i386's write, an x32 call, io_uring's NOP
    event_.arg = {new_ngram, 0x0001'1004'2001'3000, 0xffff'0000, 120, 1, 5000};
  }
  std::vector<Alert> of(uint64_t what, const SequenceAlerts& alerts = SequenceAlerts()) {
    event_.arg[0] = what;
    std::vector<Alert> out;
    alerts.evaluate(event_, out);
    return out;
  }
  Process process_;
  Event event_;
};

TEST_F(Alerts, OfAnUnusualOrderNameTheCalls) {
  const auto alerts = of(new_ngram);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].source, AlertSource::sequence);
  EXPECT_EQ(alerts[0].rule, "Unusual system calls");
  EXPECT_EQ(alerts[0].severity, Severity::low);
  EXPECT_THAT(alerts[0].message, HasSubstr("/usr/sbin/nginx"));
  EXPECT_THAT(alerts[0].message, HasSubstr("start read write i386:4 x32:1 io_uring:0"));
  EXPECT_EQ(alerts[0].process.exe, "/usr/sbin/nginx");
}

TEST_F(Alerts, OfManyUnusualCallsAreMoreSevere) {
  const double few = of(new_ngram)[0].risk;
  event_.arg[4] = 6;
  EXPECT_EQ(of(new_ngram)[0].severity, Severity::medium);
  EXPECT_GT(of(new_ngram)[0].risk, few);
  event_.arg[4] = ~0ull;  // a record is not believed
  EXPECT_LE(of(new_ngram)[0].risk, 1.0);
}

TEST_F(Alerts, OfANovelProgramAreLowAndOnlyWhereAsked) {
  EXPECT_THAT(of(new_program), IsEmpty());
  SequenceAlerts::Options options;
  options.novel_programs = true;
  const auto alerts = of(new_program, SequenceAlerts(options));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Novel program");
  EXPECT_EQ(alerts[0].severity, Severity::low);
  options.quiet_until_ns = 2000;
  EXPECT_THAT(of(new_program, SequenceAlerts(options)), IsEmpty());
}

TEST_F(Alerts, OfANovelProgramTellWhereItIs) {
  std::string seen;
  SequenceAlerts::Options options;
  options.saw = [&](const ProgramId& id, std::string_view path) {
    seen = std::string(path) + " " + std::to_string(id.inode) + " " + std::to_string(id.ctime_ns) + " " +
           std::to_string(id.device);
  };
  (void)of(new_program, SequenceAlerts(options));
  EXPECT_EQ(seen, "/usr/sbin/nginx 7 8 9");
  seen.clear();
  process_.task.exe_inode = 70;  // it runs something else by now
  (void)of(new_program, SequenceAlerts(options));
  EXPECT_EQ(seen, "");
}

TEST_F(Alerts, OfAFullProfileSayThatTheRestIsNotJudged) {
  const auto alerts = of(profile_full);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].rule, "Sequence profile full");
  EXPECT_THAT(alerts[0].message, HasSubstr("not judged"));
}

TEST_F(Alerts, AreNotMadeOfAnythingElse) {
  EXPECT_THAT(of(shipped), IsEmpty());
  EXPECT_THAT(of(0), IsEmpty());
  event_.kind = EventKind::exec;
  EXPECT_THAT(of(new_ngram), IsEmpty());
}

}  // namespace
}  // namespace shrike::sequence
