#include "common/format/format.h"

#include <gmock/gmock.h>

#include "common/format/text.h"
#include "tests/unit/format/schema.h"

namespace shrike::format_tests {
namespace {

constexpr Format all[] = {Format::text, Format::json, Format::falco, Format::ocsf, Format::ecs, Format::cef};

TEST(Formats, AreFoundByNameAndByValue) {
  for (const Format format : all) {
    EXPECT_EQ(format_named(format_name(format)), format);
    EXPECT_NE(format_names().find(format_name(format)), std::string_view::npos);
  }
  EXPECT_FALSE(format_named("JSON"));
  EXPECT_FALSE(format_named(""));
}

// JSON's parser refuses what is not UTF-8: it is our judge of that.
bool is_utf8(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::strict), nullptr, false).is_string();
}

TEST(Formats, OneLineOfUtf8WithoutControlsWhateverTheTextsHold) {
  for (const std::string& text : hostile()) {
    for (const Format format : {Format::falco, Format::ocsf, Format::ecs, Format::cef, Format::text}) {
      const std::string line = format_alert(alert_of(text), format);
      ASSERT_NO_THROW(is_utf8(line)) << format_name(format) << " of " << text.substr(0, 80);
      for (size_t at = 0; at < line.size(); ++at) {
        const auto byte = static_cast<unsigned char>(line[at]);
        const auto next = at + 1 < line.size() ? static_cast<unsigned char>(line[at + 1]) : 0u;
        ASSERT_TRUE(byte >= 0x20 && byte != 0x7f) << format_name(format) << " at " << at;
        ASSERT_FALSE(byte == 0xc2 && next >= 0x80 && next <= 0x9f) << format_name(format) << " at " << at;
      }
    }
  }
}

TEST(Formats, JsonStaysOneObjectWithOneRuleWhateverTheTextsHold) {
  for (const std::string& text : hostile()) {
    for (const Format format : {Format::json, Format::falco, Format::ocsf, Format::ecs}) {
      const Json line = Json::parse(format_alert(alert_of(text), format), nullptr, false);
      ASSERT_TRUE(line.is_object()) << format_name(format) << " of " << text.substr(0, 80);
      EXPECT_FALSE(line.contains("x")) << format_name(format);
      EXPECT_FALSE(line.contains("forged")) << format_name(format);
    }
  }
}

TEST(Formats, AHugeTextIsCutAndALineStaysBounded) {
  const Alert alert = alert_of(std::string(10u << 20, 'a'));
  for (const Format format : {Format::falco, Format::ocsf, Format::ecs, Format::cef})
    EXPECT_LT(format_alert(alert, format).size(), 2u << 20) << format_name(format);
}

TEST(Formats, AnEmptyAlertIsALineToo) {
  for (const Format format : all) EXPECT_FALSE(format_alert(Alert{}, format).empty());
}

TEST(Clean, KeepsWhatIsUtf8AndCutsBetweenCharacters) {
  EXPECT_EQ(format::clean("a\nb \xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xa9"),
            "a\nb \xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xa9");
  EXPECT_EQ(format::clean("\xff"
                          "a"),
            "\xef\xbf\xbd"
            "a");
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "\xe2\x82\xac";
  const std::string out = format::clean(many);
  EXPECT_LE(out.size(), format::text_max_bytes);
  EXPECT_EQ((out.size() - 3) % 3, 0u);
  EXPECT_TRUE(out.ends_with("\xe2\x80\xa6"));
}

}  // namespace
}  // namespace shrike::format_tests
