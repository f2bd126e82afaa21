#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/wire/batch.h"

namespace shrike {

inline constexpr uint32_t partition_count = 64;

/// A node id is 1 to 63 of a-z, 0-9 and '-', so that it is one subject token, one file name and one JSON string.
Result<void> check_node_id(std::string_view node);
/// XXH3 of the node id, mod 64.
uint32_t partition_of(std::string_view node);

/// shrike.v1.<lane>.<partition>.<node>
std::string batch_subject(Lane lane, std::string_view node);
/// shrike.v1.ack.<node>
std::string ack_subject(std::string_view node);
/// shrike.v1.cmd.<node>
std::string command_subject(std::string_view node);
/// <node>.<boot>.<lane>.<seq>: JetStream's message id.
std::string message_id(std::string_view node, const BootId& boot, Lane lane, uint64_t seq);

/// The lane and node a batch subject names. Errors: any other subject; a partition that is not the node's.
struct BatchSubject {
  Lane lane;
  std::string node;
};
Result<BatchSubject> parse_batch_subject(std::string_view subject);

}  // namespace shrike
