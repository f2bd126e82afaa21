// One alert in every format.
//
// Threat model: programs choose their names, arguments and paths, and rule files their names, messages and tags; all of
// it ends in lines that SIEMs, terminals and webhooks read. No text may crash the agent, add a line, leave UTF-8, put a
// control character into a line, or make a JSON format anything but one object.
//
// link: shrike_format shrike_wire nlohmann_json::nlohmann_json
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "common/format/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  if (size < 8 || size > 100000) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t third = size / 3;
  const std::string a = text.substr(0, third), b = text.substr(third, third), c = text.substr(2 * third);
  Alert alert;
  alert.severity = static_cast<Severity>(data[0] % 5);
  alert.source = static_cast<AlertSource>(data[1] % 6);
  alert.activity = static_cast<Activity>(data[2] % 3);
  alert.time_ns = uint64_t{data[3]} << 55 | data[4];
  alert.count = data[5];
  alert.node = alert.rule = a;
  alert.message = alert.priority = b;
  alert.uid = c;
  alert.tags = {a, b, c};
  alert.attack = {c, a};
  alert.ancestors = {b, c};
  alert.process.name = alert.process.user = a;
  alert.process.exe = alert.process.cmdline = b;
  alert.process.cwd = alert.process.container_id = c;
  alert.fields = {{a, b}, {c, a}, {"proc.pid", c}, {"evt.failed", b}};
  alert.scores = {{a, 0.5}, {c, 1}};
  alert.evidence.lane = b;
  for (const Format format : {Format::json, Format::falco, Format::ocsf, Format::ecs, Format::cef, Format::text}) {
    const std::string line = format_alert(alert, format);
    for (const char byte : line)
      if (static_cast<unsigned char>(byte) < 0x20) std::abort();
    (void)nlohmann::json(line).dump();  // throws on what is not UTF-8
    const bool json = format != Format::cef && format != Format::text;
    if (json && !nlohmann::json::parse(line).is_object()) std::abort();
  }
  return 0;
}
