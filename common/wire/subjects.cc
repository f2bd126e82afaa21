#include "common/wire/subjects.h"

#include <xxhash.h>

#include "common/base/bytes.h"

namespace shrike {
namespace {
constexpr std::string_view prefix = "shrike.v1.";
}

Result<void> check_node_id(std::string_view node) {
  if (node.empty() || node.size() > 63)
    return Error{"node id of " + std::to_string(node.size()) + " characters, allowed are 1 to 63"};
  for (size_t i = 0; i < node.size(); ++i) {
    const char c = node[i];
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
      return Error{"node id: character " + std::to_string(i + 1) + " is not one of a-z, 0-9 and '-'"};
  }
  return {};
}

uint32_t partition_of(std::string_view node) {
  return static_cast<uint32_t>(XXH3_64bits(node.data(), node.size()) % partition_count);
}

std::string batch_subject(Lane lane, std::string_view node) {
  std::string subject(prefix);
  subject.append(lane_name(lane)).append(".").append(std::to_string(partition_of(node))).append(".").append(node);
  return subject;
}

std::string ack_subject(std::string_view node) { return std::string(prefix).append("ack.").append(node); }
std::string command_subject(std::string_view node) { return std::string(prefix).append("cmd.").append(node); }

std::string message_id(std::string_view node, const BootId& boot, Lane lane, uint64_t seq) {
  std::string id(node);
  id.append(".").append(hex({reinterpret_cast<const char*>(boot.data()), boot.size()}));
  id.append(".").append(lane_name(lane)).append(".").append(std::to_string(seq));
  return id;
}

Result<BatchSubject> parse_batch_subject(std::string_view subject) {
  const Error other{"not a batch subject: shrike.v1.<lane>.<partition>.<node>"};
  if (!subject.starts_with(prefix)) return other;
  std::string_view rest = subject.substr(prefix.size());
  const size_t first = rest.find('.');
  if (first == std::string_view::npos) return other;
  const auto lane = lane_named(rest.substr(0, first));
  if (!lane) return other;
  rest.remove_prefix(first + 1);
  const size_t second = rest.find('.');
  if (second == std::string_view::npos) return other;
  const std::string_view digits = rest.substr(0, second);
  const std::string_view node = rest.substr(second + 1);
  TRY_VOID(check_node_id(node));
  // Compared as text, so that "07" is not another spelling of "7".
  const uint32_t partition = partition_of(node);
  if (digits != std::to_string(partition))
    return Error{"batch subject: node " + std::string(node) + " belongs to partition " + std::to_string(partition)};
  return BatchSubject{*lane, std::string(node)};
}

}  // namespace shrike
