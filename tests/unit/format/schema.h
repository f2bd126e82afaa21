#pragma once
// What a schema asks of an object: rows of path, type, allowed values. A path's "*" stands for every element of an
// array.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/format/format.h"

namespace shrike::format_tests {

using Json = nlohmann::json;

enum class Type { text, whole, decimal, boolean, list, object, any };
enum class Need { required, optional };

struct Row {
  std::string path;  ///< "finding_info/uid", "evidences/*/process/pid"
  Type type = Type::text;
  Need need = Need::required;
  std::vector<Json> allowed = {};  ///< empty: anything
};

inline bool is(const Json& value, Type type) {
  switch (type) {
    case Type::text:
      return value.is_string();
    case Type::whole:
      return value.is_number_integer();
    case Type::decimal:
      return value.is_number();
    case Type::boolean:
      return value.is_boolean();
    case Type::list:
      return value.is_array();
    case Type::object:
      return value.is_object();
    case Type::any:
      return true;
  }
  return false;
}

/// What is wrong with `at` by `row` from `path` on; empty: nothing.
inline std::string fault(const Json& at, const Row& row, const std::string& path) {
  const size_t slash = path.find('/');
  const std::string head = path.substr(0, slash);
  const std::string rest = slash == std::string::npos ? "" : path.substr(slash + 1);
  if (head.empty()) {
    if (!is(at, row.type)) return row.path + " has the wrong type: " + at.dump();
    for (const Json& one : row.allowed)
      if (one == at) return {};
    return row.allowed.empty() ? "" : row.path + " may not be " + at.dump();
  }
  if (head == "*") {
    if (!at.is_array()) return row.path + ": no array";
    for (const Json& one : at)
      if (std::string found = fault(one, row, rest); !found.empty()) return found;
    return {};
  }
  if (!at.is_object()) return row.path + ": no object";
  const auto member = at.find(head);
  if (member != at.end()) return fault(*member, row, rest);
  return row.need == Need::required ? row.path + " is missing" : "";
}

inline void expect_rows(const Json& object, const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(fault(object, row, row.path), "");
}

/// Every path of `object` down to `depth`, arrays as "*".
inline void paths(const Json& object, const std::string& prefix, std::vector<std::string>& out) {
  for (const auto& [key, value] : object.items()) {
    const std::string path = prefix.empty() ? key : prefix + "/" + key;
    out.push_back(path);
    if (value.is_object()) paths(value, path, out);
  }
}

/// An alert with everything in it.
inline Alert full_alert() {
  Alert alert;
  alert.time_ns = 1795163940123456789;
  alert.node = "web-1";
  alert.rule = "Read of a credential file";
  alert.severity = Severity::high;
  alert.risk = 0.56;
  alert.confidence = 0.7;
  alert.tree_risk = 0.75;
  alert.scores = {{"rules", 0.7}, {"sequence", 0.2}};
  alert.message = "cat read /etc/shadow";
  alert.attack = {"T1003.008", "T1555"};
  alert.priority = "Error";
  alert.tags = {"maturity_stable", "filesystem", "T1003.008"};
  alert.process = {42, "cat",  "/usr/bin/cat", "cat /etc/shadow", "/root",
                   0,  "root", "pts/0",        "0123456789ab",    1795163940000000000};
  alert.ancestors = {"bash", "sshd"};
  alert.fields = {{"fd.name", "/etc/shadow"},  {"proc.pid", "42"},     {"user.uid", "0"},
                  {"proc.aname[2]", "sshd"},   {"evt.res", "SUCCESS"}, {"container.image.repository", "<NA>"},
                  {"evt.is_open_read", "true"}};
  alert.evidence = {"alerts", 7, 3, "accepted"};
  alert.uid = "0123456789abcdef0123456789abcdef";
  alert.first_time_ns = 1795163930000000000;
  return alert;
}

/// Texts that were chosen to break what reads the line.
inline std::vector<std::string> hostile() {
  return {"a\nb\r\nc",
          "\x1b[2J\x1b]0;title\x07",
          std::string("nul \0 nul", 9),
          "pipe | equals = backslash \\ \\n \\| quote \" ' ` $(id)",
          "\xff\xfe\xc3",
          "overlong \xc0\xaf \xe0\x80\xaf surrogate \xed\xa0\x80 beyond \xf5\x80\x80\x80 cut \xf0\x9f\x92",
          "c1 \xc2\x9b"
          "2J \xc2\x85 del \x7f line \xe2\x80\xa8 para \xe2\x80\xa9",
          "trailing backslash \\",
          "ends in blanks   ",
          " = = =| | |",
          "CEF:0|a|b|c|d|e|10|msg=forged",
          "\"},\"rule\":\"forged\",\"x\":{\"",
          std::string(300000, 'x'),
          std::string(200001, '\xe2'),
          "",
          "\xef\xbb\xbf"
          "bom"};
}

/// full_alert() with `text` in place of every text that a process or a rule chooses.
inline Alert alert_of(const std::string& text) {
  Alert alert = full_alert();
  alert.rule = alert.message = alert.priority = alert.uid = text;
  alert.tags = alert.attack = alert.ancestors = {text, text};
  alert.process.name = alert.process.exe = alert.process.cmdline = alert.process.cwd = text;
  alert.process.user = alert.process.tty = alert.process.container_id = text;
  alert.fields = {{text, text}, {"proc.pid", text}, {"fd.name", text}};
  alert.scores = {{text, 0.5}};
  alert.evidence.lane = alert.evidence.verdict = text;
  alert.node = text;
  return alert;
}

}  // namespace shrike::format_tests
