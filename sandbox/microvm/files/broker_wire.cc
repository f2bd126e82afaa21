#include "sandbox/microvm/files/broker_wire.h"

#include <sys/stat.h>

#include "common/base/bytes.h"

namespace shrike::sandbox::microvm {

namespace {

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

template <class T>
bool take(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  value = load_le<T>(in.data());
  in.remove_prefix(sizeof value);
  return true;
}

bool take_text(std::string_view& in, uint32_t bytes, std::string& text) {
  if (in.size() < bytes) return false;
  text.assign(in.substr(0, bytes));
  in.remove_prefix(bytes);
  return true;
}

bool known(uint32_t operation) { return operation >= 1 && operation <= 3; }

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

bool is_type(uint32_t mode) { return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode); }

std::string head(BrokerOperation operation, uint32_t error, uint32_t count, bool more) {
  std::string out;
  put(out, static_cast<uint32_t>(operation));
  put(out, error);
  put(out, count);
  put(out, static_cast<uint32_t>(more));
  return out;
}

bool take_listed(std::string_view& in, TreeEntry& entry) {
  uint32_t bytes = 0;
  return take(in, entry.number) && take(in, entry.mode) && take(in, bytes) && take_text(in, bytes, entry.name) &&
         is_name(entry.name) && is_type(entry.mode);
}

bool take_looked(std::string_view& in, TreeEntry& entry) {
  uint32_t bytes = 0;
  return take(in, entry.number) && take(in, entry.mode) && take(in, entry.uid) && take(in, entry.gid) &&
         take(in, bytes) && take(in, entry.size_bytes) && take(in, entry.mtime_ns) && bytes <= 4095 &&
         take_text(in, bytes, entry.target) && is_type(entry.mode);
}

}  // namespace

std::string encode_request(const BrokerRequest& request) {
  std::string out;
  put(out, static_cast<uint32_t>(request.operation));
  put(out, uint32_t{0});
  put(out, request.number);
  put(out, request.from);
  return out;
}

std::optional<BrokerRequest> decode_request(std::string_view bytes) {
  BrokerRequest request;
  uint32_t operation = 0, zero = 0;
  if (bytes.size() != broker_request_bytes || !take(bytes, operation) || !take(bytes, zero) ||
      !take(bytes, request.number) || !take(bytes, request.from) || !known(operation) || zero != 0)
    return std::nullopt;
  request.operation = static_cast<BrokerOperation>(operation);
  return request;
}

std::string encode_list(std::span<const TreeEntry> all, uint64_t from) {
  std::string body;
  uint32_t count = 0;
  uint64_t next = from;
  for (; next < all.size(); ++next) {
    const TreeEntry& entry = all[next];
    if (16 + body.size() + 16 + entry.name.size() > broker_answer_max) break;
    put(body, entry.number);
    put(body, entry.mode);
    put(body, static_cast<uint32_t>(entry.name.size()));
    body += entry.name;
    ++count;
  }
  return head(BrokerOperation::list, 0, count, next < all.size()) + body;
}

std::string encode_look(const TreeEntry& entry) {
  std::string out = head(BrokerOperation::look, 0, 1, false);
  put(out, entry.number);
  put(out, entry.mode);
  put(out, entry.uid);
  put(out, entry.gid);
  put(out, static_cast<uint32_t>(entry.target.size()));
  put(out, entry.size_bytes);
  put(out, entry.mtime_ns);
  return out + entry.target;
}

std::string encode_plain(BrokerOperation operation, uint32_t error) { return head(operation, error, 0, false); }

std::optional<BrokerAnswer> decode_answer(std::string_view bytes) {
  BrokerAnswer answer;
  uint32_t operation = 0, count = 0, more = 0;
  if (bytes.size() > broker_answer_max || !take(bytes, operation) || !take(bytes, answer.error) ||
      !take(bytes, count) || !take(bytes, more) || !known(operation) || more > 1)
    return std::nullopt;
  answer.operation = static_cast<BrokerOperation>(operation);
  answer.more = more == 1;
  const bool list = answer.operation == BrokerOperation::list, look = answer.operation == BrokerOperation::look;
  if (answer.error != 0 ? count != 0 || answer.more : (look && count != 1) || (!list && !look && count != 0))
    return std::nullopt;
  if (answer.more && (!list || count == 0)) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    TreeEntry entry;
    if (!(list ? take_listed(bytes, entry) : take_looked(bytes, entry))) return std::nullopt;
    answer.entries.push_back(std::move(entry));
  }
  if (!bytes.empty()) return std::nullopt;
  return answer;
}

}  // namespace shrike::sandbox::microvm
