// Against ocsf/ocsf-schema 1.5.0: events/base_event, events/findings/finding and detection_finding, and the objects
// they name. Tables of ours, not the schema's text: every attribute that is required, the types and enumerations of
// those that we write, the constraints ("at least one of") of the objects.

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "tests/unit/format/schema.h"

namespace shrike::format_tests {
namespace {

constexpr auto optional = Need::optional;

const std::vector<Row> class_rows = {
    // base_event, required
    {"activity_id", Type::whole, Need::required, {0, 1, 2, 3, 99}},
    {"category_uid", Type::whole, Need::required, {2}},
    {"class_uid", Type::whole, Need::required, {2004}},
    {"metadata", Type::object},
    {"severity_id", Type::whole, Need::required, {0, 1, 2, 3, 4, 5, 6, 99}},
    {"time", Type::whole},
    {"type_uid", Type::whole, Need::required, {200400, 200401, 200402, 200403, 200499}},
    // finding, required
    {"finding_info", Type::object},
    // recommended and optional ones that we write
    {"activity_name", Type::text, optional, {"Unknown", "Create", "Update", "Close", "Other"}},
    {"category_name", Type::text, optional, {"Findings"}},
    {"class_name", Type::text, optional, {"Detection Finding"}},
    {"count", Type::whole, optional},
    {"start_time", Type::whole, optional},
    {"end_time", Type::whole, optional},
    {"message", Type::text, optional},
    {"severity",
     Type::text,
     optional,
     {"Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal", "Other"}},
    {"status_id", Type::whole, optional, {0, 1, 2, 3, 4, 5, 6, 99}},
    {"status", Type::text, optional, {"New", "In Progress", "Suppressed", "Resolved", "Archived", "Deleted", "Quiet"}},
    {"confidence_id", Type::whole, optional, {0, 1, 2, 3, 99}},
    {"confidence", Type::text, optional, {"Unknown", "Low", "Medium", "High", "Other"}},
    {"confidence_score", Type::whole, optional},
    {"risk_level_id", Type::whole, optional, {0, 1, 2, 3, 4, 99}},
    {"risk_level", Type::text, optional, {"Info", "Low", "Medium", "High", "Critical", "Other"}},
    {"risk_score", Type::whole, optional},
    {"is_alert", Type::boolean, optional},
    {"evidences", Type::list, optional},
    {"resources", Type::list, optional},
    {"device", Type::object, optional},
    {"anomaly_analyses", Type::list, optional},
    {"type_name", Type::text, optional},
};

const std::vector<Row> object_rows = {
    // metadata and product
    {"metadata/version", Type::text, Need::required, {"1.5.0"}},
    {"metadata/product", Type::object},
    {"metadata/product/name", Type::text},
    {"metadata/product/vendor_name", Type::text},
    {"metadata/product/version", Type::text},
    {"metadata/profiles", Type::list, optional},
    {"metadata/profiles/*", Type::text, optional, {"host", "container"}},
    {"metadata/log_name", Type::text, optional},
    // device
    {"device/type_id", Type::whole, Need::required, {0}},
    {"device/type", Type::text, optional},
    {"device/hostname", Type::text},
    {"device/uid", Type::text, optional},
    {"resources/*/name", Type::text},
    {"resources/*/type", Type::text, optional},
    // finding_info
    {"finding_info/uid", Type::text},
    {"finding_info/title", Type::text},
    {"finding_info/desc", Type::text, optional},
    {"finding_info/created_time", Type::whole, optional},
    {"finding_info/modified_time", Type::whole, optional},
    {"finding_info/first_seen_time", Type::whole, optional},
    {"finding_info/last_seen_time", Type::whole, optional},
    {"finding_info/types", Type::list, optional},
    {"finding_info/types/*", Type::text, optional},
    {"finding_info/data_sources", Type::list, optional},
    {"finding_info/data_sources/*", Type::text, optional},
    {"finding_info/related_events_count", Type::whole, optional},
    {"finding_info/analytic", Type::object},
    {"finding_info/analytic/type_id", Type::whole, Need::required, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99}},
    {"finding_info/analytic/type", Type::text, optional},
    {"finding_info/analytic/name", Type::text},
    {"finding_info/analytic/category", Type::text, optional},
    {"finding_info/attacks", Type::list, optional},
    {"finding_info/attacks/*/technique", Type::object, optional},
    {"finding_info/attacks/*/technique/uid", Type::text, optional},
    {"finding_info/attacks/*/sub_technique", Type::object, optional},
    {"finding_info/attacks/*/sub_technique/uid", Type::text, optional},
    // evidences
    {"evidences/*/process", Type::object},
    {"evidences/*/process/pid", Type::whole},
    {"evidences/*/process/name", Type::text, optional},
    {"evidences/*/process/cmd_line", Type::text, optional},
    {"evidences/*/process/created_time", Type::whole, optional},
    {"evidences/*/process/working_directory", Type::text, optional},
    {"evidences/*/process/file/name", Type::text, optional},
    {"evidences/*/process/file/type_id", Type::whole, optional, {0, 1, 2, 3, 4, 5, 6, 7, 99}},
    {"evidences/*/process/file/path", Type::text, optional},
    {"evidences/*/process/user/uid", Type::text},
    {"evidences/*/process/user/name", Type::text, optional},
    {"evidences/*/process/ancestry", Type::list, optional},
    {"evidences/*/process/ancestry/*/name", Type::text, optional},
    {"evidences/*/process/container", Type::object, optional},
    {"evidences/*/process/container/uid", Type::text, optional},
    {"evidences/*/data", Type::any, optional},
    // anomaly_analyses: anomaly_analysis, analysis_target, anomaly, baseline, observation
    {"anomaly_analyses/*/analysis_targets", Type::list, optional},
    {"anomaly_analyses/*/analysis_targets/*/name", Type::text, optional},
    {"anomaly_analyses/*/analysis_targets/*/type", Type::text, optional},
    {"anomaly_analyses/*/anomalies", Type::list, optional},
    {"anomaly_analyses/*/anomalies/*/observation_parameter", Type::text, optional},
    {"anomaly_analyses/*/anomalies/*/observation_type", Type::text, optional},
    {"anomaly_analyses/*/anomalies/*/observations", Type::list, optional},
    {"anomaly_analyses/*/anomalies/*/observations/*/value", Type::text, optional},
    {"anomaly_analyses/*/baselines/*/observation_parameter", Type::text, optional},
    {"anomaly_analyses/*/baselines/*/observations/*/value", Type::text, optional},
};

Json line_of(const Alert& alert) { return Json::parse(alert_to_ocsf(alert)); }

TEST(Ocsf, HasEveryRequiredAttributeWithItsTypeAndEnumeration) {
  for (const Alert& alert : {full_alert(), Alert{}}) {
    expect_rows(line_of(alert), class_rows);
    expect_rows(line_of(alert), object_rows);
  }
}

TEST(Ocsf, HasNoAttributeThatTheClassDoesNotHave) {
  std::set<std::string> known;
  for (const Row& row : class_rows) known.insert(row.path);
  const Json line = line_of(full_alert());
  for (const auto& [key, value] : line.items()) EXPECT_TRUE(known.contains(key)) << key;
  known.clear();
  for (const Row& row : object_rows) known.insert(row.path);
  for (const char* object : {"metadata", "device", "finding_info"})
    for (const auto& [key, value] : line[object].items())
      EXPECT_TRUE(known.contains(std::string(object) + "/" + key)) << object << "/" << key;
  for (const auto& [key, value] : line["evidences"][0]["process"].items())
    EXPECT_TRUE(known.contains("evidences/*/process/" + key) || key == "file" || key == "user") << key;
}

TEST(Ocsf, IdsAndCaptionsSayTheSame) {
  const std::map<int, std::string> severities = {
      {1, "Informational"}, {2, "Low"}, {3, "Medium"}, {4, "High"}, {5, "Critical"}};
  Alert alert = full_alert();
  for (int level = 0; level <= 4; ++level) {
    alert.severity = static_cast<Severity>(level);
    const Json line = line_of(alert);
    EXPECT_EQ(line["severity_id"], level + 1);
    EXPECT_EQ(line["severity"], severities.at(level + 1));
  }
  const std::map<int, std::string> risks = {{0, "Info"}, {1, "Low"}, {2, "Medium"}, {3, "High"}, {4, "Critical"}};
  for (const double risk : {0.0, 0.2, 0.4, 0.65, 0.9, 1.0}) {
    alert.risk = alert.tree_risk = risk;
    const Json line = line_of(alert);
    EXPECT_EQ(line["risk_level"], risks.at(line["risk_level_id"]));
    EXPECT_EQ(line["risk_score"], std::lround(risk * 100));
  }
  const std::map<int, std::string> confidences = {{1, "Low"}, {2, "Medium"}, {3, "High"}};
  for (const double confidence : {0.0, 0.5, 0.8, 1.0}) {
    alert.confidence = confidence;
    const Json line = line_of(alert);
    EXPECT_EQ(line["confidence"], confidences.at(line["confidence_id"]));
  }
}

TEST(Ocsf, AnUpdateAndAnEndKeepTheFindingsUid) {
  Alert alert = full_alert();
  const Json created = line_of(alert);
  EXPECT_EQ(created["activity_id"], 1);
  EXPECT_EQ(created["type_uid"], 200401);
  EXPECT_EQ(created["status_id"], 1);
  EXPECT_EQ(created["is_alert"], true);
  alert.activity = Activity::update;
  alert.count = 9;
  alert.last_time_ns = alert.time_ns + 5'000'000'000;
  const Json updated = line_of(alert);
  EXPECT_EQ(updated["activity_id"], 2);
  EXPECT_EQ(updated["type_uid"], 200402);
  EXPECT_EQ(updated["finding_info"]["uid"], created["finding_info"]["uid"]);
  EXPECT_EQ(updated["finding_info"]["related_events_count"], 9);
  EXPECT_EQ(updated["count"], 9);
  EXPECT_EQ(updated["start_time"], 1795163930000);
  EXPECT_EQ(updated["end_time"], 1795163945123);
  alert.activity = Activity::close;
  const Json closed = line_of(alert);
  EXPECT_EQ(closed["activity_id"], 3);
  EXPECT_EQ(closed["type_uid"], 200403);
  EXPECT_EQ(closed["status_id"], 99);  // which asks for a label of our own
  EXPECT_EQ(closed["status"], "Quiet");
  EXPECT_EQ(closed["is_alert"], false);
  EXPECT_EQ(closed["finding_info"]["uid"], created["finding_info"]["uid"]);
}

TEST(Ocsf, EachDetectorsScoreIsAnAnalysis) {
  const Json line = line_of(full_alert());
  ASSERT_EQ(line["anomaly_analyses"].size(), 2u);
  for (const Json& analysis : line["anomaly_analyses"]) {
    expect_rows(analysis, {{"analysis_targets", Type::list},
                           {"analysis_targets/*/name", Type::text},
                           {"anomalies", Type::list},
                           {"anomalies/*/observation_parameter", Type::text},
                           {"anomalies/*/observations", Type::list},
                           {"anomalies/*/observations/*/value", Type::text},
                           {"baselines/*/observation_parameter", Type::text},
                           {"baselines/*/observations", Type::list}});
  }
  EXPECT_EQ(line["anomaly_analyses"][1]["anomalies"][0]["observation_parameter"], "sequence score");
  EXPECT_EQ(line["anomaly_analyses"][1]["anomalies"][0]["observations"][0]["value"], "0.2000");
  Alert none = full_alert();
  none.scores.clear();
  EXPECT_FALSE(line_of(none).contains("anomaly_analyses"));
}

TEST(Ocsf, AnAttackHasTheTechniqueAndTheSubTechnique) {
  const Json attacks = line_of(full_alert())["finding_info"]["attacks"];
  ASSERT_EQ(attacks.size(), 2u);
  EXPECT_EQ(attacks[0]["technique"]["uid"], "T1003");
  EXPECT_EQ(attacks[0]["sub_technique"]["uid"], "T1003.008");
  EXPECT_EQ(attacks[1]["technique"]["uid"], "T1555");
  EXPECT_FALSE(attacks[1].contains("sub_technique"));
}

}  // namespace
}  // namespace shrike::format_tests
