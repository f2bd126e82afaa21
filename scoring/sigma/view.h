#pragma once
// What a log that Sigma rules are written for is among our events. One log can be several views: auditd writes records
// of different types about one call. A rule holds of an event when it holds in one of its log's views.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scoring/sigma/rule.h"

namespace shrike::scoring::sigma {

/// How a field of the log is asked.
enum class How : uint8_t {
  text,         ///< a text field of ours
  path,         ///< the same, in which letters' case counts
  folder,       ///< a text field of ours that ends in a slash where the log's does not
  number,       ///< a number field of ours
  user_id,      ///< the same; 4294967295 and "unset" are our -1
  address,      ///< an address of ours
  call,         ///< the name of a system call
  choice,       ///< one of few values, each a condition of its own
  hexadecimal,  ///< hexadecimal digits that we do not have: only what holds others is known not to be equal
  missing,      ///< the log has such a field, we do not: `ours` says why
};

/// A value of a field and the condition (in Falco's language) that says the same; "yes" and "no" are constants.
struct Choice {
  std::string_view value;
  std::string condition;
};

struct LogField {
  std::string_view name;  ///< a last "#" stands for any number, which is our field's argument
  How how = How::text;
  std::string ours;
  std::vector<Choice> choices;
  std::string_view about = {};  ///< for the table in fields.md
  /// Another field of ours with the same meaning (a path as it was given), which its program can choose: it counts as
  /// well, but not under a "not", where choosing a name would be a way out.
  std::string also = {};
};

struct View {
  std::string events;  ///< condition, in Falco's language, that an event of this log meets
  std::vector<LogField> fields;
  std::string keywords;  ///< our field in which keywords are looked for; empty: they cannot be
  /// Fields not named above: absent in such a record, so that nothing holds of them; else a reason not to load.
  bool others_absent = false;
};

struct Log {
  std::vector<View> views;
  std::string output;   ///< what an alert says behind the rule's title, with %fields
  std::string remark;   ///< how the log was understood, where there is a choice
  std::string missing;  ///< not empty: why we have no such log
};

/// The log that `rule` is about.
Log log_of(const Rule& rule);

/// The tables of fields.md.
std::string field_table();

}  // namespace shrike::scoring::sigma
