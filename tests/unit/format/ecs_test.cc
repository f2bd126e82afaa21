// Against elastic/ecs 8.17, generated/csv/fields.csv and schemas/event.yml: the two fields every document must have,
// the types of those we write, and the values that event.kind, event.category and event.type may have.

#include <gmock/gmock.h>

#include <set>

#include "tests/unit/format/schema.h"

namespace shrike::format_tests {
namespace {

const std::vector<Json> categories = {"api",     "authentication", "configuration", "database", "driver",
                                      "email",   "file",           "host",          "iam",      "library",
                                      "malware", "network",        "package",       "process",  "registry",
                                      "session", "threat",         "vulnerability", "web",      "intrusion_detection"};
const std::vector<Json> types = {"access",    "admin",  "allowed",      "change",   "connection", "creation",
                                 "deletion",  "denied", "device",       "end",      "error",      "group",
                                 "indicator", "info",   "installation", "protocol", "start",      "user"};
constexpr auto optional = Need::optional;

// Dates and keywords are texts in JSON, long is whole, float is decimal.
const std::vector<Row> ecs_rows = {
    {"@timestamp", Type::text},
    {"ecs/version", Type::text, Need::required, {"8.17.0"}},
    {"message", Type::text},
    {"event/kind",
     Type::text,
     Need::required,
     {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}},
    {"event/category", Type::list},
    {"event/category/*", Type::text, Need::required, categories},
    {"event/type", Type::list},
    {"event/type/*", Type::text, Need::required, types},
    {"event/action", Type::text},
    {"event/id", Type::text},
    {"event/module", Type::text},
    {"event/dataset", Type::text},
    {"event/provider", Type::text},
    {"event/severity", Type::whole},
    {"event/risk_score", Type::decimal},
    {"event/risk_score_norm", Type::decimal},
    {"event/start", Type::text},
    {"event/end", Type::text},
    {"event/duration", Type::whole},
    {"event/sequence", Type::whole, optional},
    {"rule/name", Type::text},
    {"rule/ruleset", Type::text},
    {"rule/category", Type::text},
    {"host/name", Type::text},
    {"host/hostname", Type::text},
    {"host/os/type", Type::text, Need::required, {"linux"}},
    {"observer/vendor", Type::text},
    {"observer/product", Type::text},
    {"observer/type", Type::text},
    {"observer/version", Type::text},
    {"process/pid", Type::whole},
    {"process/name", Type::text},
    {"process/command_line", Type::text},
    {"process/executable", Type::text, optional},
    {"process/working_directory", Type::text, optional},
    {"process/start", Type::text, optional},
    {"process/user/id", Type::text},
    {"process/user/name", Type::text, optional},
    {"process/parent/name", Type::text, optional},
    {"user/id", Type::text},
    {"user/name", Type::text, optional},
    {"related/hosts", Type::list},
    {"related/hosts/*", Type::text},
    {"related/user", Type::list, optional},
    {"container/id", Type::text, optional},
    {"threat/framework", Type::text, optional, {"MITRE ATT&CK"}},
    {"threat/technique/id", Type::list, optional},
    {"threat/technique/id/*", Type::text, optional},
    {"threat/technique/subtechnique/id", Type::list, optional},
    {"tags", Type::list, optional},
    {"tags/*", Type::text, optional},
};

TEST(Ecs, HasItsFieldsWithTheirTypesAndAllowedValues) {
  for (const Alert& alert : {full_alert(), Alert{}}) expect_rows(Json::parse(alert_to_ecs(alert)), ecs_rows);
}

TEST(Ecs, WhatIsNotInTheSchemaStandsUnderOurOwnName) {
  std::set<std::string> known;
  for (const Row& row : ecs_rows)
    for (size_t slash = 0; slash != std::string::npos; slash = row.path.find('/', slash + 1))
      if (slash != 0) known.insert(row.path.substr(0, slash));
  for (const Row& row : ecs_rows) known.insert(row.path);
  Json line = Json::parse(alert_to_ecs(full_alert()));
  line.erase("shrike");
  std::vector<std::string> found;
  paths(line, "", found);
  for (const std::string& path : found) EXPECT_TRUE(known.contains(path) || known.contains(path + "/*")) << path;
}

TEST(Ecs, AnUpdateKeepsTheIdAndSaysFromWhenToWhen) {
  Alert alert = full_alert();
  const Json created = Json::parse(alert_to_ecs(alert));
  alert.activity = Activity::update;
  alert.last_time_ns = alert.time_ns;
  const Json updated = Json::parse(alert_to_ecs(alert));
  EXPECT_EQ(created["event"]["id"], updated["event"]["id"]);
  EXPECT_EQ(updated["event"]["action"], "finding-updated");
  EXPECT_EQ(updated["event"]["start"], "2026-11-20T08:38:50.000000000Z");
  EXPECT_EQ(updated["event"]["duration"], 10123456789u);
}

TEST(Ecs, ATechniqueListsEachIdAndItsSubTechniques) {
  const Json threat = Json::parse(alert_to_ecs(full_alert()))["threat"];
  EXPECT_EQ(threat["technique"]["id"], Json::array({"T1003", "T1555"}));
  EXPECT_EQ(threat["technique"]["subtechnique"]["id"], Json::array({"T1003.008"}));
}

}  // namespace
}  // namespace shrike::format_tests
