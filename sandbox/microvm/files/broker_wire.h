#pragma once
// What the jailed machine asks the broker outside, over a SOCK_SEQPACKET socket: one message, one answer, in turn.
//
//   request   u32 operation, u32 0, u64 number, u64 from                                  24 bytes
//   answer    u32 operation, u32 error (errno or 0), u32 count, u32 more, then the body   16 bytes and more
//     list    `count` times: u64 number, u32 mode, u32 bytes of the name, the name;  more: ask again with from += count
//     look    u64 number, u32 mode, u32 uid, u32 gid, u32 bytes of the target, u64 size, u64 mtime_ns, the target
//     open    nothing; with SCM_RIGHTS one descriptor, read-only, of a regular file
//
// Little endian, nothing between. Numbers are the broker's: it gives them out in answers, tree_root apart, and refuses
// every other with ENOENT. A folder's list has the same entries with the same numbers each time it is asked for.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

enum class BrokerOperation : uint32_t { list = 1, look = 2, open = 3 };

struct BrokerRequest {
  BrokerOperation operation = BrokerOperation::list;
  uint64_t number = 0;
  uint64_t from = 0;  ///< list: how many entries to leave out
};

struct BrokerAnswer {
  BrokerOperation operation = BrokerOperation::list;
  uint32_t error = 0;
  bool more = false;
  std::vector<TreeEntry> entries;  ///< list: number, mode, name; look: one
};

inline constexpr size_t broker_request_bytes = 24;
inline constexpr size_t broker_answer_max = 64u << 10;  ///< bytes of one message

std::string encode_request(const BrokerRequest& request);
/// Nothing when it is not a request, whole and with known values.
std::optional<BrokerRequest> decode_request(std::string_view bytes);

/// An answer to `list` with as many entries of `all` from `from` on as fit.
std::string encode_list(std::span<const TreeEntry> all, uint64_t from);
std::string encode_look(const TreeEntry& entry);
/// An answer to `open`, or with an errno to whatever was asked.
std::string encode_plain(BrokerOperation operation, uint32_t error);
/// Nothing when it is not an answer: cut short, too long, unknown values, a name that is none (empty, ".", "..", with
/// "/" or NUL, over 255 bytes), a target over 4095 bytes.
std::optional<BrokerAnswer> decode_answer(std::string_view bytes);

}  // namespace shrike::sandbox::microvm
