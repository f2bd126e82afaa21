#pragma once

#include <string>

#include "common/base/result.h"
#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike {

/// Appends `event` as an EventMessage (event.proto) to `out`. No allocation beyond `out`'s growth; about 100 ns.
void encode_event(const Event& event, std::string& out);
/// Replaces `out` by an EventMessage that carries `alert`.
void encode_alert(const Alert& alert, std::string& out);

/// The alert an EventMessage carries. Errors: not an EventMessage; carries none; a value out of range, named.
Result<Alert> decode_alert(std::string_view message);
/// An EventMessage as one JSON object, for `shrike query` and for reading by people.
Result<std::string> event_to_json(std::string_view message);

}  // namespace shrike
