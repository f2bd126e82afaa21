// Against falcosecurity/falco, userspace/engine/formats.cpp and falco_common.cpp, and what falcosidekick reads
// (types.FalcoPayload: output, priority, rule, time, source, output_fields, hostname, tags; empty output is refused).

#include <gmock/gmock.h>

#include "tests/unit/format/schema.h"

namespace shrike::format_tests {
namespace {

const std::vector<Row> falco_rows = {
    {"hostname", Type::text},
    {"output", Type::text},
    {"output_fields", Type::object},
    {"output_fields/evt.time", Type::whole},
    {"priority",
     Type::text,
     Need::required,
     {"Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"}},
    {"rule", Type::text},
    {"source", Type::text, Need::required, {"syscall", "internal"}},
    {"tags", Type::list},
    {"tags/*", Type::text},
    {"time", Type::text},
};

TEST(Falco, IsWrittenAsFalcoWritesIt) {
  EXPECT_EQ(alert_to_falco(full_alert()),
            R"({"hostname":"web-1","output":"08:39:00.123456789: Error cat read /etc/shadow","output_fields":{)"
            R"("container.id":"0123456789ab","container.image.repository":null,"evt.is_open_read":true,)"
            R"("evt.res":"SUCCESS","evt.time":1795163940123456789,"fd.name":"/etc/shadow","proc.aname[2]":"sshd",)"
            R"("proc.name":"cat","proc.pid":42,"user.uid":0},"priority":"Error","rule":"Read of a credential file",)"
            R"("source":"syscall","tags":["T1003.008","filesystem","maturity_stable"],)"
            R"("time":"2026-11-20T08:39:00.123456789Z"})");
}

TEST(Falco, HasItsKeysAndNoOthersWhateverTheAlertLacks) {
  for (const Alert& alert : {full_alert(), Alert{}}) {
    const Json line = Json::parse(alert_to_falco(alert));
    expect_rows(line, falco_rows);
    EXPECT_EQ(line.size(), 8u);
    EXPECT_FALSE(line["output"].get<std::string>().empty());
  }
}

TEST(Falco, SeveritiesWithoutAPriorityOfTheirOwnBecomeThePriorityThatGivesThem) {
  Alert alert = full_alert();
  alert.priority.clear();
  const auto priority = [&](Severity severity) {
    alert.severity = severity;
    return Json::parse(alert_to_falco(alert))["priority"].get<std::string>();
  };
  EXPECT_EQ(priority(Severity::critical), "Critical");
  EXPECT_EQ(priority(Severity::high), "Error");
  EXPECT_EQ(priority(Severity::medium), "Warning");
  EXPECT_EQ(priority(Severity::low), "Notice");
  EXPECT_EQ(priority(Severity::info), "Informational");
}

TEST(Falco, TheAgentsOwnAlertsAreInternalAsFalcosAre) {
  Alert alert = full_alert();
  for (const auto source : {AlertSource::integrity, AlertSource::response}) {
    alert.source = source;
    EXPECT_EQ(Json::parse(alert_to_falco(alert))["source"], "internal");
  }
}

TEST(Falco, ANumberThatIsNoneStaysText) {
  Alert alert = full_alert();
  alert.fields = {
      {"proc.pid", "42x"}, {"fd.num", "99999999999999999999"}, {"evt.is_open_read", "maybe"}, {"fd.sport", ""}};
  const Json fields = Json::parse(alert_to_falco(alert))["output_fields"];
  EXPECT_EQ(fields["proc.pid"], "42x");
  EXPECT_EQ(fields["fd.num"], "99999999999999999999");
  EXPECT_EQ(fields["evt.is_open_read"], "maybe");
  EXPECT_EQ(fields["fd.sport"], "");
}

}  // namespace
}  // namespace shrike::format_tests
