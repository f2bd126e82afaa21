#include "sandbox/call.h"

#include <cstring>

#include "common/base/bytes.h"

namespace shrike::sandbox {

namespace {

// The bytes: u8 kind, u8 abi, u16 flags, i32 number, u32 pid, u32 tid, u64 seq, u64 time, i64 result, u8 which args are
// not 0, u8 texts; then those args, u64 each; then the texts: u8 kind, u16 length, bytes.
constexpr size_t head_bytes = 42;
constexpr uint16_t all_flags = (1u << 7) - 1;
constexpr uint8_t all_args = (1u << 6) - 1;

template <class T>
T take(std::span<const std::byte>& bytes) {
  T value = load_le<T>(bytes.data());
  bytes = bytes.subspan(sizeof(T));
  return value;
}

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

Result<CallText> decode_text(std::span<const std::byte>& bytes) {
  if (bytes.size() < 3) return Error{"call: cut short in a text's head"};
  CallText text;
  const auto kind = take<uint8_t>(bytes);
  const auto length = take<uint16_t>(bytes);
  if (kind > static_cast<uint8_t>(text_kind_last)) return Error{"call: unknown kind of text " + std::to_string(kind)};
  if (length > call_text_max) return Error{"call: a text of " + std::to_string(length) + " bytes"};
  if (bytes.size() < length) return Error{"call: cut short in a text"};
  text.kind = static_cast<TextKind>(kind);
  text.text.assign(reinterpret_cast<const char*>(bytes.data()), length);
  bytes = bytes.subspan(length);
  return text;
}

}  // namespace

void encode_call(const Call& call, std::string& out) {
  const size_t texts = std::min(call.texts.size(), call_texts_max);
  uint16_t flags = call.flags;
  if (texts < call.texts.size()) flags |= call_cut;
  for (size_t i = 0; i < texts; ++i)
    if (call.texts[i].text.size() > call_text_max) flags |= call_cut;
  uint8_t mask = 0;
  for (size_t i = 0; i < call.args.size(); ++i)
    if (call.args[i] != 0) mask = static_cast<uint8_t>(mask | (1u << i));
  put(out, static_cast<uint8_t>(call.kind));
  put(out, static_cast<uint8_t>(call.abi));
  put(out, flags);
  put(out, call.number);
  put(out, call.pid);
  put(out, call.tid);
  put(out, call.seq);
  put(out, call.time_ns);
  put(out, call.result);
  put(out, mask);
  put(out, static_cast<uint8_t>(texts));
  for (const uint64_t arg : call.args)
    if (arg != 0) put(out, arg);
  for (size_t i = 0; i < texts; ++i) {
    const auto text = std::string_view(call.texts[i].text).substr(0, call_text_max);
    put(out, static_cast<uint8_t>(call.texts[i].kind));
    put(out, static_cast<uint16_t>(text.size()));
    out.append(text);
  }
}

Result<Call> decode_call(std::span<const std::byte>& bytes) {
  if (bytes.size() < head_bytes) return Error{"call: cut short in its head"};
  Call call;
  const auto kind = take<uint8_t>(bytes);
  const auto abi = take<uint8_t>(bytes);
  call.flags = take<uint16_t>(bytes);
  if (kind > static_cast<uint8_t>(CallKind::signal)) return Error{"call: unknown kind " + std::to_string(kind)};
  if (abi > static_cast<uint8_t>(CallAbi::x32)) return Error{"call: unknown ABI " + std::to_string(abi)};
  if ((call.flags & ~all_flags) != 0) return Error{"call: unknown flags " + std::to_string(call.flags)};
  call.kind = static_cast<CallKind>(kind);
  call.abi = static_cast<CallAbi>(abi);
  call.number = take<int32_t>(bytes);
  call.pid = take<uint32_t>(bytes);
  call.tid = take<uint32_t>(bytes);
  call.seq = take<uint64_t>(bytes);
  call.time_ns = take<uint64_t>(bytes);
  call.result = take<int64_t>(bytes);
  const auto mask = take<uint8_t>(bytes);
  const auto texts = take<uint8_t>(bytes);
  if ((mask & ~all_args) != 0) return Error{"call: more than six arguments"};
  if (texts > call_texts_max) return Error{"call: " + std::to_string(texts) + " texts"};
  for (size_t i = 0; i < call.args.size(); ++i) {
    if ((mask & (1u << i)) == 0) continue;
    if (bytes.size() < sizeof(uint64_t)) return Error{"call: cut short in its arguments"};
    call.args[i] = take<uint64_t>(bytes);
  }
  for (size_t i = 0; i < texts; ++i) call.texts.push_back(TRY(decode_text(bytes)));
  return call;
}

}  // namespace shrike::sandbox
