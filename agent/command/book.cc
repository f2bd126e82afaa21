#include "agent/command/book.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace shrike::command {
namespace {

using Json = nlohmann::ordered_json;

// {"floor_ns": ..., "commands": [...]}, then a newline, the SHA-256 of all before it in hexadecimal, and a newline.
constexpr size_t file_max_bytes = 4u << 20;
constexpr size_t digest_line_bytes = 66;

Json json_of(const CommandBook::Entry& entry) {
  return {{"id", entry.id},
          {"digest", hex(as_bytes(entry.digest))},
          {"command", command_kind_name(entry.kind)},
          {"state", command_state_name(entry.state)},
          {"issued_ns", entry.issued_ns},
          {"expires_ns", entry.expires_ns},
          {"body_bytes", entry.body_bytes},
          {"reason", entry.reason}};
}

std::optional<CommandBook::Entry> entry_of(const Json& json) {
  CommandBook::Entry entry;
  const auto text = [&](const char* key) { return json.value(key, std::string()); };
  entry.id = text("id");
  const auto digest = unhex(text("digest"));
  const auto kind = command_kind_named(text("command"));
  const auto state = command_state_named(text("state"));
  if (!check_command_id(entry.id) || !digest || digest->size() != entry.digest.size() || !kind || !state) return {};
  std::copy(digest->begin(), digest->end(), entry.digest.begin());
  entry.kind = *kind;
  entry.state = *state;
  entry.issued_ns = json.value("issued_ns", uint64_t{0});
  entry.expires_ns = json.value("expires_ns", uint64_t{0});
  entry.body_bytes = json.value("body_bytes", uint64_t{0});
  entry.reason = text("reason");
  return entry;
}

struct Read {
  uint64_t floor_ns = 0;
  std::vector<CommandBook::Entry> entries;
};

/// Errors: what about the text cannot be believed.
Result<Read> parse(std::string_view text) {
  if (text.size() < digest_line_bytes) return Error{"cut"};
  const std::string_view body = text.substr(0, text.size() - digest_line_bytes);
  const std::string digest = "\n" + hex(as_bytes(sha256(body))) + "\n";
  if (text.substr(body.size()) != digest) return Error{"cut or damaged: its checksum differs"};
  try {  // the library throws where a value has another type
    const Json json = Json::parse(body);
    Read read;
    read.floor_ns = json.at("floor_ns").get<uint64_t>();
    for (const Json& one : json.at("commands")) {
      auto entry = entry_of(one);
      if (!entry) return Error{"holds something that is no command"};
      read.entries.push_back(std::move(*entry));
    }
    return read;
  } catch (const Json::exception& error) {
    return Error{error.what()};
  }
}

bool is_open(const CommandBook::Entry& entry) { return !is_final(entry.state); }

}  // namespace

Result<CommandBook> CommandBook::open(const std::string& path, uint64_t now_ns, std::string& damage) {
  CommandBook book(path);
  auto text = read_file(path, file_max_bytes);
  if (!text && text.error().code != ENOENT && text.error().code != EFBIG) return text.error();
  auto read = text ? parse(*text) : Result<Read>(text.error());
  if (read) {
    book.floor_ns_ = read->floor_ns;
    for (Entry& entry : read->entries) book.entries_.emplace(entry.id, std::move(entry));
    return book;
  }
  if (text || text.error().code == EFBIG)
    damage = path + ": " + read.error().message + ": all commands issued until now count as carried out";
  book.floor_ns_ = now_ns;
  TRY_VOID(book.write());
  return book;
}

const CommandBook::Entry* CommandBook::find(std::string_view id) const {
  const auto at = entries_.find(id);
  return at == entries_.end() ? nullptr : &at->second;
}

std::vector<CommandBook::Entry> CommandBook::in_state(CommandState state) const {
  std::vector<Entry> out;
  for (const auto& [id, entry] : entries_)
    if (entry.state == state) out.push_back(entry);
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.issued_ns < b.issued_ns; });
  return out;
}

std::string CommandBook::no_room(uint64_t body_bytes) const {
  size_t count = 0;
  for (const auto& [id, entry] : entries_) {
    if (!is_open(entry)) continue;
    ++count;
    body_bytes += entry.body_bytes;
  }
  if (count >= open_max) return std::to_string(count) + " commands are waiting on this node already";
  if (body_bytes > open_bytes_max) return "the bodies of waiting commands are over 512 MiB on this node";
  return "";
}

// The one issued first goes: whatever was issued no later is refused from then on, known or not.
void CommandBook::make_room() {
  while (entries_.size() >= entries_max) {
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at)
      if (!is_open(at->second) && (oldest == entries_.end() || at->second.issued_ns < oldest->second.issued_ns))
        oldest = at;
    if (oldest == entries_.end()) return;  // open_max is less than entries_max
    floor_ns_ = std::max(floor_ns_, oldest->second.issued_ns);
    entries_.erase(oldest);
  }
}

Result<void> CommandBook::accept(const OpenCommand& command) {
  const CommandHeader& header = command.header;
  if (auto why = no_room(header.body_bytes); !why.empty()) return Error{why, EAGAIN};
  make_room();
  const Entry entry{header.id,        command.digest,    header.kind,       CommandState::accepted,
                    header.issued_ns, header.expires_ns, header.body_bytes, ""};
  const auto at = entries_.insert_or_assign(header.id, entry).first;
  auto written = write();
  if (!written) entries_.erase(at);
  return written;
}

Result<void> CommandBook::set(std::string_view id, CommandState state, const std::string& reason) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return Error{"command " + std::string(id) + " is not in the book"};
  const Entry before = at->second;
  at->second.state = state;
  at->second.reason = reason.substr(0, command_reason_max_bytes);
  auto written = write();
  if (!written) at->second = before;
  return written;
}

Result<void> CommandBook::write() const {
  Json commands = Json::array();
  for (const auto& [id, entry] : entries_) commands.push_back(json_of(entry));
  const std::string body = Json{{"floor_ns", floor_ns_}, {"commands", std::move(commands)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
  return write_file_atomic(path_, body + "\n" + hex(as_bytes(sha256(body))) + "\n", 0600);
}

}  // namespace shrike::command
