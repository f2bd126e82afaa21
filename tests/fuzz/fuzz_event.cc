// Threat model: an event of a batch is bytes that a node sealed. A node that was taken over seals whatever it likes,
// and text in events of an honest one comes from processes of anybody. Showing an event must not crash, must give one
// line of valid JSON, and what is printed for people must hold nothing that a terminal obeys.
// link: shrike_wire

#include <algorithm>
#include <cstdlib>

#include "common/wire/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto json = shrike::event_to_json(bytes);
  if (json && json->find('\n') != std::string::npos) std::abort();
  const auto alert = shrike::decode_alert(bytes);
  if (!alert) {
    static_cast<void>(shrike::alert_from_json(bytes));
    return 0;
  }
  const std::string text = shrike::alert_to_text(*alert, false);
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) std::abort();
  if (!shrike::alert_from_json(shrike::alert_to_json(*alert))) {
    // Two fields of one name are one key in JSON; nothing else may stop it from being read back.
    std::abort();
  }
  std::string again;
  shrike::encode_alert(*alert, again);
  const auto back = shrike::decode_alert(again);
  if (!back || !(*back == *alert)) std::abort();
  return 0;
}
