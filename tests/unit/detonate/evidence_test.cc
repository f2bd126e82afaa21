#include "agent/detonate/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/bytes.h"
#include "common/wire/codec.h"

namespace shrike::detonate {
namespace {
using testing::HasSubstr;

TEST(Evidence, HasTheReportAndTheHeadOfTheOutput) {
  OutputHead out, err;
  out.add("hello\n");
  sandbox::Report report;
  report.id = "job-1";
  const std::string detail = detail_of(report, out, err);
  EXPECT_TRUE(is_plain_json_object(detail));
  EXPECT_THAT(detail, HasSubstr("\"id\":\"job-1\""));
  EXPECT_THAT(detail, HasSubstr("\"stdout_base64\":\"" + base64("hello\n") + "\",\"stderr_base64\":\"\""));
}

TEST(Evidence, FitsASignedEventWhateverTheReportHolds) {
  OutputHead out, err;
  for (int i = 0; i < 100; ++i) out.add(std::string(10'000, '\xff')), err.add(std::string(10'000, 'e'));
  EXPECT_EQ(out.bytes().size(), output_kept_bytes);
  sandbox::Report large;
  for (uint32_t i = 0; i < sandbox::report_list_max; ++i) {
    large.processes.push_back({i, 0, std::string(4096, '"'), {std::string(4096, '\n')}, 0, 0, 0, 0});
    large.artefacts.push_back({std::string(4096, '\x01'), 1, std::string(64, 'a')});
    large.connections.push_back({1, "tcp", std::string(4096, 'c'), 1, 1, std::string(1024, '\xff')});
    large.refusals.push_back({std::string(4096, 'r'), std::string(4096, 's'), 1});
    large.reasons.push_back({std::string(200, 'n'), "high", 0.5, std::string(512, 'm'), 1});
    large.notes.push_back(std::string(4096, 'n'));
  }
  const std::string detail = detail_of(large, out, err);
  EXPECT_LE(detail.size(), detail_max_bytes);
  EXPECT_TRUE(is_plain_json_object(detail));
  EXPECT_THAT(detail, HasSubstr("processes_dropped"));
}

}  // namespace
}  // namespace shrike::detonate
