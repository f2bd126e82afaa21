#pragma once
// Events out of stored batches: found through the index, read from the segments, decoded for people.

#include <functional>
#include <string>
#include <string_view>

#include "collector/query.h"

namespace shrike::collector {

/// What is filtered on, read without decoding the rest. Fields that are absent or wrong are zero.
struct EventPeek {
  uint32_t kind = 0;
  uint64_t time_ns = 0;
  uint32_t pid = 0;
  std::string_view container;  ///< of what tells it: whole tasks and sandboxed ones
};
EventPeek peek_event(std::string_view message);
/// The last bytes field of that number in a message; empty when there is none or what comes before is damaged.
std::string_view bytes_field(std::string_view message, uint32_t number);

/// Calls `each` with one JSON object a line, oldest first; it returns false to stop. Records that cannot be read are
/// skipped and counted in `unread`. Errors: the index's.
Result<void> query_events(IndexReader& index, const std::string& segments_dir, const EventQuery& query,
                          const std::function<bool(std::string_view)>& each, uint64_t& unread);

/// Calls `each` with the bytes of each stored batch, in the order of storage. Also those whose record was changed: to
/// tell is the verifier's part. Errors: the index's.
Result<void> query_batches(IndexReader& index, const std::string& segments_dir, const BatchQuery& query,
                           const std::function<bool(std::string_view)>& each, uint64_t& unread);

}  // namespace shrike::collector
