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
/// What an agent tells of itself in an event of kind `detonation` or `command`.
struct Note {
  EventKind kind = EventKind::none;
  uint64_t time_ns = 0;
  std::string subject;  ///< the job, the command
  std::string state;    ///< who asked for the job, what became of the command
  std::string detail;   ///< JSON, unchecked
};
/// Whether it looks like one; a few ns. What an agent encodes in another order is none.
bool is_note(std::string_view message);
/// Errors: not an EventMessage; of another kind.
Result<Note> decode_note(std::string_view message);

/// An EventMessage as one JSON object, for `shrike query` and for reading by people.
Result<std::string> event_to_json(std::string_view message);
/// Whether `text` is one JSON object that nests no deeper than 16: what a stranger wrote and is passed on as it is.
bool is_plain_json_object(std::string_view text);

}  // namespace shrike
