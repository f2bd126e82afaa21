#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "common/wire/filter.h"
#include "scoring/rules/field.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

const std::vector<Field>& table() {
  static const auto all = [] {
    std::vector<Field> fields;
    for (const auto& part : {event_fields(), descriptor_fields(), process_fields(), workload_fields(),
                             container_fields(), absent_fields()})
      fields.insert(fields.end(), part.begin(), part.end());
    return fields;
  }();
  return all;
}

const Field* named(std::string_view name) {
  static const auto index = [] {
    std::unordered_map<std::string_view, const Field*> fields;
    for (const Field& field : table()) fields.emplace(field.name, &field);
    return fields;
  }();
  const auto at = index.find(name);
  return at == index.end() ? nullptr : at->second;
}

bool is_argument_name(std::string_view name) {
  for (size_t k = 0; k < event_kind_count; ++k)
    for (const CallArgument& argument : arguments_of(static_cast<K>(k)))
      if (argument.name == name) return true;
  return false;
}

constexpr int index_max = 63;
int parse_index(std::string_view text) {
  int value = -1;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc{} && end.ptr == text.data() + text.size() && value >= 0 && value <= index_max ? value : -1;
}

void raw_argument(const Context& c, int index, Values& out) {
  if (index >= 0) out.number(c.event.arg[static_cast<size_t>(index)]);
}

}  // namespace

std::span<const Field> all_fields() { return table(); }

std::string FieldUse::text() const {
  std::string out(field->name);
  if (field->takes == Field::Takes::name)
    return out + (parse_index(argument) >= 0 ? "[" + argument + "]" : "." + argument);
  if (index >= 0) out += "[" + std::to_string(index) + "]";
  if (field->takes == Field::Takes::text || (field->takes == Field::Takes::maybe_text && !argument.empty()))
    out += "[" + argument + "]";
  return out;
}

std::optional<FieldUse> find_field(std::string_view name, std::optional<std::string_view> argument, std::string& error,
                                   bool& unknown) {
  unknown = false;
  FieldUse use;
  use.field = named(name);
  const std::string quoted = "\"" + std::string(name) + "\"";
  if (use.field == nullptr) {
    for (const std::string_view head : {"evt.arg", "evt.rawarg"}) {
      if (name.size() <= head.size() + 1 || !name.starts_with(head) || name[head.size()] != '.') continue;
      if (argument) return error = "field " + quoted + " takes no second argument", std::nullopt;
      return find_field(head, name.substr(head.size() + 1), error, unknown);
    }
    unknown = true;
    return error = "unknown field " + quoted, std::nullopt;
  }
  switch (use.field->takes) {
    case Field::Takes::nothing:
      if (argument) return error = "field " + quoted + " takes no argument", std::nullopt;
      return use;
    case Field::Takes::maybe_index:
      if (!argument) return use;
      [[fallthrough]];
    case Field::Takes::index:
      use.index = argument ? parse_index(*argument) : -1;
      if (use.index < 0)
        return error = "field " + quoted + " takes a number from 0 to " + std::to_string(index_max) + ": " +
                       std::string(name) + "[1]",
               std::nullopt;
      return use;
    case Field::Takes::maybe_text:
      if (!argument) return use;
      [[fallthrough]];
    case Field::Takes::text:
      if (!argument || argument->empty())
        return error = "field " + quoted + " needs an argument: " + std::string(name) + "[...]", std::nullopt;
      use.argument = *argument;
      return use;
    case Field::Takes::name:
      break;
  }
  if (!argument)
    return error = "field " + quoted + " needs an argument's name: " + std::string(name) + ".flags", std::nullopt;
  use.argument = *argument;
  if (parse_index(*argument) < 0 && !is_argument_name(*argument)) {
    unknown = true;
    return error = "no system call has an argument \"" + use.argument + "\"", std::nullopt;
  }
  return use;
}

std::optional<Reader> reader_for(const FieldUse& use, EventKind kind) {
  const Field& field = *use.field;
  if (!field.kinds.has(kind)) return std::nullopt;
  if (field.takes == Field::Takes::text) return Reader{nullptr, -1, field.path, field.extract_named, use.argument};
  if (field.takes != Field::Takes::name) return Reader{field.extract, use.index, field.path};
  const auto arguments = arguments_of(kind);
  const CallArgument* found = nullptr;
  if (const int index = parse_index(use.argument); index >= 0) {
    if (static_cast<size_t>(index) < arguments.size()) found = &arguments[static_cast<size_t>(index)];
  } else {
    for (const CallArgument& argument : arguments)
      if (argument.name == use.argument) found = &argument;
  }
  if (found == nullptr) return std::nullopt;
  if (field.type == Type::number) {
    if (found->raw < 0) return std::nullopt;
    return Reader{raw_argument, found->raw, PathPart::none};
  }
  return Reader{found->extract, found->raw, found->path};
}

uint32_t access_of(EventKind kind) {
  switch (kind) {
    case K::open:
      return access_open_read | access_open_write | access_open_failed;
    case K::rename:
      return access_rename;
    case K::unlink:
      return access_unlink;
    case K::link:
      return access_link;
    case K::symlink:
      return access_symlink;
    case K::mkdir:
      return access_mkdir;
    case K::rmdir:
      return access_rmdir;
    case K::chmod:
      return access_chmod;
    case K::chown:
      return access_chown;
    case K::truncate:
      return access_truncate;
    case K::setxattr:
      return access_setxattr;
    default:
      return 0;
  }
}

}  // namespace shrike::scoring
