// Sigma files, from YAML to alerts.
//
// Threat model: operators load whole folders of rules that many people wrote, and update them unread. A file may be
// wrong in any way, or made to hurt: it must give statuses with a reason, or rules that can judge any event; it must
// not crash, hang, or take memory out of proportion. Aliases, conditions ("1 of them" a thousand times) and modifiers
// (base64offset, windash) can make much of little. The last bytes of the input become an event's texts.
//
// link: shrike_sigma shrike_rules shrike_wire
#include <cstdint>
#include <cstdlib>
#include <string>

#include "scoring/sigma/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike;
  using namespace shrike::scoring;
  if (size > 20000) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const sigma::Loaded loaded = sigma::load({"fuzz.yml", text});
  for (const RuleStatus& status : loaded.statuses)
    if (status.reason.empty()) std::abort();
  const auto rules = RuleSet::compile({}, loaded.rules, nullptr, {.hostname = "h"});
  if (!rules.ok()) {
    // What was translated has to compile.
    if (!loaded.rules.empty()) std::abort();
    return 0;
  }
  const std::string tail = text.substr(size - std::min<size_t>(size, 64));
  Process parent, process;
  parent.name = tail.substr(0, 8);
  parent.argv = {tail};
  process.name = tail.substr(0, 15);
  process.exe = "/" + tail;
  process.argv = {tail, tail.substr(0, 3), "-c"};
  process.parent = &parent;
  Event event;
  event.process = event.target = &process;
  event.path.text = tail;
  event.full_path = event.real_path = event.path.text;
  event.path2.text = tail;
  event.full_path2 = event.path2.text;
  event.syscall = static_cast<int>(size % 600);
  event.arg[0] = size % 0x101;
  event.socket.family = static_cast<uint16_t>(size % 12);
  std::vector<Alert> alerts;
  for (const EventKind kind : {EventKind::exec, EventKind::open, EventKind::rename, EventKind::unlink,
                               EventKind::connect, EventKind::accept, EventKind::chmod, EventKind::memfd}) {
    event.kind = kind;
    alerts.clear();
    rules.value().evaluate(event, alerts);
    for (const Alert& alert : alerts)
      if (alert.source != AlertSource::sigma) std::abort();
  }
  return 0;
}
