// Against ArcSight's Common Event Format, revision 25: the header's seven fields, its severities, the escapes of header
// and extension. The reader below is written from that description, not from the writer.

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <utility>

#include "tests/unit/format/schema.h"

namespace shrike::format_tests {
namespace {

struct Cef {
  std::vector<std::string> header;
  std::map<std::string, std::string> extension;
};

bool is_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

// Errors come out as a header that is too short.
Cef read(const std::string& line) {
  Cef out;
  size_t at = 0;
  std::string field;
  while (at < line.size() && out.header.size() < 7) {
    if (line[at] == '\\' && at + 1 < line.size() && (line[at + 1] == '|' || line[at + 1] == '\\')) {
      field += line[at + 1];
      at += 2;
    } else if (line[at] == '|') {
      out.header.push_back(std::exchange(field, {}));
      ++at;
    } else {
      field += line[at++];
    }
  }
  // An unescaped "=" ends a key; the key reaches back to the blank before it.
  std::vector<size_t> equals;
  for (size_t i = at; i < line.size(); ++i) {
    if (line[i] == '\\')
      ++i;
    else if (line[i] == '=')
      equals.push_back(i);
  }
  std::vector<size_t> keys;
  for (const size_t i : equals) {
    size_t begin = i;
    while (begin > at && is_key(line[begin - 1])) --begin;
    keys.push_back(begin);
  }
  for (size_t i = 0; i < equals.size(); ++i) {
    const size_t end = i + 1 < keys.size() ? keys[i + 1] - 1 : line.size();
    std::string value;
    for (size_t j = equals[i] + 1; j < end; ++j) {
      if (line[j] == '\\' && j + 1 < end) {
        ++j;
        value += line[j] == 'n' ? '\n' : line[j] == 'r' ? '\r' : line[j];
      } else {
        value += line[j];
      }
    }
    out.extension[line.substr(keys[i], equals[i] - keys[i])] = value;
  }
  return out;
}

TEST(Cef, HasSevenHeaderFieldsAndTheDictionarysKeys) {
  const Cef line = read(alert_to_cef(full_alert()));
  ASSERT_EQ(line.header.size(), 7u);
  EXPECT_EQ(line.header[0], "CEF:0");
  EXPECT_EQ(line.header[1], "Shrike");
  EXPECT_EQ(line.header[2], "Shrike");
  EXPECT_EQ(line.header[4], "falco:Read of a credential file");
  EXPECT_EQ(line.header[5], "Read of a credential file");
  EXPECT_EQ(line.header[6], "8");
  const std::map<std::string, std::string> expected = {{"rt", "1795163940123"},
                                                       {"start", "1795163930000"},
                                                       {"dvchost", "web-1"},
                                                       {"externalId", "0123456789abcdef0123456789abcdef"},
                                                       {"act", "create"},
                                                       {"cnt", "1"},
                                                       {"msg", "cat read /etc/shadow"},
                                                       {"sproc", "cat"},
                                                       {"spid", "42"},
                                                       {"suid", "0"},
                                                       {"suser", "root"},
                                                       {"cs1", "cat /etc/shadow"},
                                                       {"cs1Label", "commandLine"},
                                                       {"cs3", "T1003.008,T1555"},
                                                       {"cs5", "alerts/7/3/accepted"},
                                                       {"cfp2", "0.5600"},
                                                       {"cfp2Label", "risk"}};
  for (const auto& [key, value] : expected) EXPECT_EQ(line.extension.at(key), value) << key;
  for (const auto& [key, value] : line.extension) {
    const bool custom = key.starts_with("cs") || key.starts_with("cfp");
    EXPECT_TRUE(!custom || key.ends_with("Label") || line.extension.contains(key + "Label")) << key;
  }
}

TEST(Cef, SeverityIsBetweenNoughtAndTenAndRises) {
  int last = -1;
  for (int level = 0; level <= 4; ++level) {
    Alert alert = full_alert();
    alert.severity = static_cast<Severity>(level);
    const int severity = std::stoi(read(alert_to_cef(alert)).header.at(6));
    EXPECT_GT(severity, last);
    EXPECT_LE(severity, 10);
    last = severity;
  }
}

TEST(Cef, PipesEqualsBackslashesAndNewlinesComeBackAsTheyWere) {
  Alert alert = full_alert();
  alert.rule = "a|b\\c=d";
  alert.message = "k=v |x| \\ back\nnext\rlast msg=forged cs1=forged";
  alert.process.cmdline = "sh -c a=b\\|c";
  const std::string line = alert_to_cef(alert);
  const Cef back = read(line);
  EXPECT_EQ(back.header.at(5), alert.rule);
  EXPECT_EQ(back.header.at(6), "8");
  EXPECT_EQ(back.extension.at("msg"), alert.message);
  EXPECT_EQ(back.extension.at("cs1"), alert.process.cmdline);
}

TEST(Cef, NoTextCanAddAFieldOrALine) {
  std::set<std::string> keys;
  for (const auto& [key, value] : read(alert_to_cef(full_alert())).extension) keys.insert(key);
  for (const std::string& text : hostile()) {
    const std::string line = alert_to_cef(alert_of(text));
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const Cef back = read(line);
    ASSERT_EQ(back.header.size(), 7u) << text.substr(0, 80);
    EXPECT_EQ(back.header[6], "8") << text.substr(0, 80);
    for (const auto& [key, value] : back.extension)
      EXPECT_TRUE(keys.contains(key)) << key << " of " << text.substr(0, 80);
    EXPECT_EQ(back.extension.at("spid"), "42");
    EXPECT_EQ(back.extension.at("cfp3"), "0.7500");
  }
}

}  // namespace
}  // namespace shrike::format_tests
