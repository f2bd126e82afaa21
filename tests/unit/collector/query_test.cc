#include "collector/query.h"

#include <gtest/gtest.h>

#include "collector/event_query.h"
#include "collector/proof.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

constexpr uint64_t now = 1'700'000'000'000'000'000;

TEST(Moments, AreTimesOrDurationsBack) {
  EXPECT_EQ(parse_moment("10m", now).value(), now - 600'000'000'000);
  EXPECT_EQ(parse_moment("1h30m", now).value(), now - 5'400'000'000'000);
  EXPECT_EQ(parse_moment("500ms", now).value(), now - 500'000'000);
  EXPECT_EQ(parse_moment("9000w", now).value(), 0u);
  EXPECT_EQ(parse_moment("2023-11-14T22:13:20Z", now).value(), now);
  for (const char* wrong : {"", "10", "m", "10x", "-5m", "yesterday", "99999999999999999999s", "9999999999999w"})
    EXPECT_FALSE(parse_moment(wrong, now).ok()) << wrong;
}

std::string wrong_parameter(const Parameters& parameters) {
  QueryReader reader(parameters, now);
  reader.alerts();
  reader.follow();
  const auto bad = reader.finish();
  return bad ? bad->parameter : "none";
}

TEST(Queries, NameTheParameterThatIsWrong) {
  EXPECT_EQ(wrong_parameter({{"since", "10m"}, {"severity", "high"}, {"follow", "1"}}), "none");
  EXPECT_EQ(wrong_parameter({{"severity", "loud"}}), "severity");
  EXPECT_EQ(wrong_parameter({{"limit", "-1"}}), "limit");
  EXPECT_EQ(wrong_parameter({{"limit", "1000000000"}}), "limit");
  EXPECT_EQ(wrong_parameter({{"node", "a/b"}}), "node");
  EXPECT_EQ(wrong_parameter({{"follow", "yes"}}), "follow");
  EXPECT_EQ(wrong_parameter({{"since", "1m"}, {"since", "2m"}}), "since");
  EXPECT_EQ(wrong_parameter({{"colour", "red"}}), "colour");
  EXPECT_EQ(wrong_parameter({{"rule", std::string("a\0b", 3)}}), "rule");
}

TEST(Peek, SeesWhatAFilterNeeds) {
  Event event;
  event.kind = EventKind::connect;
  event.time_ns = now;
  event.task.pid = 77;
  std::string bytes;
  encode_event(event, bytes);
  const EventPeek peek = peek_event(bytes);
  EXPECT_EQ(peek.kind, static_cast<uint32_t>(EventKind::connect));
  EXPECT_EQ(peek.time_ns, now);
  EXPECT_EQ(peek.pid, 77u);
  Alert alert = test::made_alert();
  encode_alert(alert, bytes);
  EXPECT_EQ(peek_event(bytes).pid, 42u);
  EXPECT_EQ(peek_event(bytes).time_ns, alert.time_ns);
  for (size_t cut = 0; cut < bytes.size(); ++cut) peek_event(std::string_view(bytes).substr(0, cut));
}

TEST(Proofs, ProveOneEventAndNothingElse) {
  test::MadeChain chain;
  const std::string batch = chain.batch(7);
  for (uint32_t index = 0; index < 7; ++index) {
    const auto proof = make_proof(batch, index, chain.key.public_key());
    ASSERT_TRUE(proof.ok()) << proof.error().message;
    const auto checked = check_proof(*proof);
    ASSERT_TRUE(checked.ok()) << checked.error().message;
    EXPECT_TRUE(checked->proven) << checked->reason;
    EXPECT_EQ(checked->node, "web-1");
    EXPECT_EQ(checked->seq, 1u);
    EXPECT_EQ(checked->key, chain.key.public_key());
    EXPECT_NE(checked->event.find("/etc/passwd"), std::string::npos);
  }
  EXPECT_FALSE(make_proof(batch, 7, chain.key.public_key()).ok());
}

TEST(Proofs, AreRefutedByAnyChange) {
  test::MadeChain chain;
  const std::string whole = make_proof(chain.batch(7), 3, chain.key.public_key()).value();
  for (const char* key :
       {"\"header\":\"", "\"payload_hash\":\"", "\"signature\":\"", "\"event\":\"", "\"path\":[\"", "\"key\":\""}) {
    std::string text = whole;
    char& digit = text[text.find(key) + std::string_view(key).size() + 11];
    digit = digit == '0' ? '1' : '0';
    const auto checked = check_proof(text);
    EXPECT_TRUE(!checked.ok() || !checked->proven) << key;
  }
  std::string other_index = whole;
  other_index.replace(other_index.find("\"index\":3"), 9, "\"index\":4");
  EXPECT_FALSE(check_proof(other_index)->proven);
  EXPECT_FALSE(check_proof("{}").ok());
  EXPECT_FALSE(check_proof("[1]").ok());
  EXPECT_FALSE(check_proof("").ok());
}

}  // namespace
}  // namespace shrike::collector
