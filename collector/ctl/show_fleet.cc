// Tables of nodes and of the collector's status.

#include <nlohmann/json.hpp>

#include "collector/ctl/output.h"
#include "collector/ctl/show.h"
#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

/// A number as people read it, by what its name says it counts.
std::string shown(const std::string& name, const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (!value.is_number_unsigned()) return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  const auto number = value.get<uint64_t>();
  if (name.ends_with("_bytes")) return short_bytes(number);
  if (name.ends_with("_s")) return short_duration(std::chrono::seconds(number));
  if (name.ends_with("_ms")) return short_duration(std::chrono::milliseconds(number));
  return with_commas(number);
}

std::string label(std::string name) {
  for (const char* unit : {"_bytes", "_s", "_ms"}) {
    if (name.ends_with(unit)) name.resize(name.size() - std::string_view(unit).size());
  }
  for (char& c : name) c = c == '_' ? ' ' : c;
  return printable(name);
}

void flatten(const Json& json, const std::string& prefix, Table& table) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? label(key) : prefix + " " + label(key);
    if (value.is_object()) {
      flatten(value, name, table);
    } else {
      table.row({name, shown(key, value)});
    }
  }
}

}  // namespace

Result<std::string> status_as_text(std::string_view json_text, bool colour) {
  const Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_object()) return Error{"the collector's status is no JSON object"};
  Table table({"COLLECTOR", ""});
  flatten(json, "", table);
  return joined(table.lines(colour));
}

Result<std::string> nodes_as_text(std::string_view json_text, uint64_t now_ns, bool colour) {
  (void)now_ns;
  const Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_array()) return Error{"the collector's list of nodes is no JSON array"};
  Table table({"NODE", "STATE"});
  (void)colour;
  return joined(table.lines(colour));
}

}  // namespace shrike::ctl
