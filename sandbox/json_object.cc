#include "sandbox/json_object.h"

#include "common/base/bytes.h"

namespace shrike::sandbox {

using nlohmann::json;

JsonObject::JsonObject(const json& value, std::string where) : value_(value), where_(std::move(where)) {
  if (!value_.is_object()) error_ = Error{where_ + ": is no object"};
}

void JsonObject::fail(const char* key, const char* why) {
  if (!error_) error_ = Error{where_ + ": " + key + " " + why};
}

const json* JsonObject::find(const char* key) {
  if (error_) return nullptr;
  asked_.insert(key);
  const auto found = value_.find(key);
  if (found != value_.end()) return &*found;
  fail(key, "is missing");
  return nullptr;
}

void JsonObject::text(const char* key, std::string& out, size_t most) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_string()) return fail(key, "is no text");
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > most) return fail(key, "is too long");
  out = text;
}

void JsonObject::number(const char* key, uint64_t& out, uint64_t most) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_number_unsigned()) return fail(key, "is no whole number of 0 or more");
  const auto number = value->get<uint64_t>();
  if (number > most) return fail(key, "is too large");
  out = number;
}

void JsonObject::integer(const char* key, int& out) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_number_integer()) return fail(key, "is no whole number");
  const bool large = value->is_number_unsigned() && value->get<uint64_t>() > INT32_MAX;
  const auto number = large ? 0 : value->get<int64_t>();
  if (large || number > INT32_MAX || number < INT32_MIN) return fail(key, "is out of range");
  out = static_cast<int>(number);
}

void JsonObject::real(const char* key, double& out) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_number()) return fail(key, "is no number");
  out = value->get<double>();
}

void JsonObject::boolean(const char* key, bool& out) {
  const json* value = find(key);
  if (value == nullptr) return;
  if (!value->is_boolean()) return fail(key, "is neither true nor false");
  out = value->get<bool>();
}

void JsonObject::bytes(const char* key, std::string& out, size_t most) {
  const json* value = find(key);
  if (value == nullptr) return;
  auto read = read_bytes(*value, where_ + ": " + key, most);
  if (read)
    out = std::move(*read);
  else
    error_ = read.error();
}

Result<void> JsonObject::finish(bool only_known) const {
  if (error_) return *error_;
  if (only_known)
    for (const auto& [key, value] : value_.items())
      if (!asked_.contains(key)) return Error{where_ + ": unknown key " + key.substr(0, 64)};
  return {};
}

Result<json> parse_json(std::string_view text, const char* what) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return Error{std::string(what) + ": is not JSON"};
  return value;
}

Result<std::string> read_bytes(const json& value, const std::string& where, size_t most) {
  std::string out;
  if (value.is_string()) {
    out = value.get_ref<const std::string&>();
  } else if (value.is_object() && value.size() == 1 && value.contains("hex") && value["hex"].is_string()) {
    auto bytes = unhex(value["hex"].get_ref<const std::string&>());
    if (!bytes) return bytes.error().in(where);
    out = std::move(*bytes);
  } else {
    return Error{where + ": is neither text nor {\"hex\": text}"};
  }
  if (out.size() > most) return Error{where + ": is longer than " + std::to_string(most) + " bytes"};
  return out;
}

namespace {

/// Length of the UTF-8 sequence at the front, 0 when there is none. RFC 3629: no surrogates, nothing overlong.
size_t sequence_length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  const unsigned char second = at(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

json json_bytes(std::string_view text) {
  if (is_utf8(text)) return text;
  return {{"hex", hex(text)}};
}

std::string dump_json(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace shrike::sandbox
