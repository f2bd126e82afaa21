#include "agent/command/desk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::command {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t ask_after_ns = 2 * second_ns;       // without a part
constexpr uint64_t give_up_after_ns = 60 * second_ns;  // without any message
constexpr uint64_t repeat_pause_ns = second_ns;        // between answers about one known command
constexpr uint64_t refuse_pause_ns = 10 * second_ns;   // and about one that is refused
constexpr size_t told_max = 256;

CommandNews news_of(const CommandBook::Entry& entry) {
  return {entry.id, entry.digest, entry.kind, entry.state, entry.reason, {}};
}

CommandNews news_of(const OpenCommand& command, CommandState state, std::string reason) {
  return {command.header.id, command.digest, command.header.kind, state, std::move(reason), {}};
}

}  // namespace

Result<CommandDesk> CommandDesk::open(const std::string& folder, std::string node, Now now) {
  TRY_VOID(make_dirs(folder, 0700));
  std::string damage;
  CommandBook book = TRY(CommandBook::open(folder + "/book", now.wall_ns, damage));
  CommandDesk desk(folder, std::move(node), std::move(book));
  if (!damage.empty()) desk.early_.refusals.push_back({Refusal::Kind::damage, damage, ""});
  desk.clear_up();
  return desk;
}

// Begun before a crash is begun once: whether it did anything is not known, so it is never begun again.
void CommandDesk::clear_up() {
  for (const auto& entry : book_.in_state(CommandState::started)) {
    const std::string reason = "the agent ended while it was being carried out; it is not carried out again";
    change(entry.id, CommandState::failed, reason, early_);
    early_.refusals.push_back({Refusal::Kind::refused, "command " + entry.id + ": " + reason, entry.id});
  }
  for (const auto& entry : book_.in_state(CommandState::accepted)) {
    if (::access(body_path(entry.id).c_str(), F_OK) == 0) continue;
    change(entry.id, CommandState::failed, "its body is no longer on this node's disk", early_);
  }
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string name = file.path().filename();
    const std::string id = name.substr(0, name.rfind('.'));
    const auto* entry = book_.find(id);
    const bool wanted =
        name == "book" || (name == id + ".body" && entry != nullptr && entry->state == CommandState::accepted);
    if (!wanted) std::filesystem::remove_all(file.path(), ignored);
  }
}

void CommandDesk::allow(std::set<CommandKind> kinds, std::string why) {
  allowed_ = std::move(kinds);
  not_allowed_ = std::move(why);
}

void CommandDesk::take(std::string_view message, const PublicKey& collector, Now now, Outcome& out) {
  const auto opened = open_command(message, collector);
  if (!opened) {
    out.refusals.push_back({Refusal::Kind::forged, opened.error().message, ""});
    return;
  }
  const CommandHeader& header = opened->header;
  if (header.node != node_) {
    out.refusals.push_back({Refusal::Kind::misdirected,
                            "command " + header.id + " is for node " + header.node + " and came to " + node_,
                            header.id});
    return;
  }
  if (const auto* known = book_.find(header.id)) {
    if (known->digest == opened->digest) return repeat(*known, now, out);
    out.refusals.push_back({Refusal::Kind::reused,
                            "command " + header.id + ": its id is that of another command, which is " +
                                std::string(command_state_name(known->state)),
                            header.id});
    if (!told_lately(opened->digest, now, refuse_pause_ns))
      out.news.push_back(news_of(*opened, CommandState::refused, "its id is that of another command"));
    return;
  }
  if (auto reason = reason_to_refuse(header, now)) return refuse(*opened, *reason, now, out);
  assemble(*opened, now, out);
}

std::optional<std::string> CommandDesk::reason_to_refuse(const CommandHeader& header, Now now) const {
  if (book_.may_be_forgotten(header.issued_ns))
    return "it was issued at " + rfc3339(header.issued_ns) +
           ", before what this node remembers: it may be a repetition";
  if (header.expires_ns + clock_tolerance_ns < now.wall_ns)
    return "it expired at " + rfc3339(header.expires_ns) + "; this node's clock says " + rfc3339(now.wall_ns);
  if (header.issued_ns > now.wall_ns + clock_tolerance_ns)
    return "it was issued at " + rfc3339(header.issued_ns) + ", in the future; this node's clock says " +
           rfc3339(now.wall_ns);
  if (!allowed_.contains(header.kind)) return not_allowed_;
  if (auto why = book_.no_room(header.body_bytes); !why.empty()) return why;
  return std::nullopt;
}

void CommandDesk::refuse(const OpenCommand& command, const std::string& reason, Now now, Outcome& out) {
  out.refusals.push_back({Refusal::Kind::refused, "command " + command.header.id + ": " + reason, command.header.id});
  if (told_lately(command.digest, now, refuse_pause_ns)) return;
  out.news.push_back(news_of(command, CommandState::refused, reason));
}

// The collector missed the answer and has sent it again: no attack.
void CommandDesk::repeat(const CommandBook::Entry& entry, Now now, Outcome& out) {
  if (!told_lately(entry.digest, now, repeat_pause_ns)) out.news.push_back(news_of(entry));
}

bool CommandDesk::told_lately(const Digest& digest, Now now, uint64_t pause_ns) {
  const auto at = std::find_if(told_.begin(), told_.end(), [&](const auto& one) { return one.first == digest; });
  if (at != told_.end() && now.boot_ns < at->second + pause_ns) return true;
  if (at != told_.end()) told_.erase(at);
  if (told_.size() >= told_max) told_.pop_front();
  told_.emplace_back(digest, now.boot_ns);
  return false;
}

void CommandDesk::assemble(const OpenCommand& command, Now now, Outcome& out) {
  const CommandHeader& header = command.header;
  auto at = assemblies_.find(header.id);
  if (at != assemblies_.end() && at->second.command().digest != command.digest) {
    out.refusals.push_back({Refusal::Kind::reused,
                            "command " + header.id + ": its id is that of another command, which is incomplete",
                            header.id});
    return;
  }
  if (at == assemblies_.end()) {
    if (assemblies_.size() >= assemblies_max) return;  // the collector sends it again
    auto begun = Assembly::begin(command, part_path(header.id));
    if (!begun) return out.refusals.push_back({Refusal::Kind::damage, begun.error().message, header.id});
    at = assemblies_.emplace(header.id, std::move(begun).value()).first;
  }
  Assembly& assembly = at->second;
  assembly.heard_ns = now.boot_ns;
  if (command.part) {
    if (auto added = assembly.add(*command.part); !added) {
      out.refusals.push_back({Refusal::Kind::damage, added.error().message, header.id});
      assemblies_.erase(at);
      return;
    }
  }
  if (!assembly.complete()) {
    if (!command.part) ask(assembly, now, out);  // an offer
    return;
  }
  complete(assembly, now, out);
  assemblies_.erase(at);
}

void CommandDesk::complete(Assembly& assembly, Now now, Outcome& out) {
  const std::string& id = assembly.command().header.id;
  const auto keep = [&]() -> Result<void> {
    TRY_VOID(assembly.keep());
    if (::rename(part_path(id).c_str(), body_path(id).c_str()) != 0) return errno_error(body_path(id));
    // What accept() puts on the disk is in the same folder, which it syncs.
    return book_.accept(assembly.command());
  };
  if (auto kept = keep(); !kept) {
    ::unlink(body_path(id).c_str());
    return refuse(assembly.command(), kept.error().message, now, out);
  }
  out.news.push_back(news_of(*book_.find(id)));
}

void CommandDesk::ask(Assembly& assembly, Now now, Outcome& out) {
  if (assembly.asked_ns != 0 && now.boot_ns < assembly.asked_ns + repeat_pause_ns) return;
  assembly.asked_ns = now.boot_ns;
  CommandNews news = news_of(assembly.command(), CommandState::incomplete, "");
  news.missing = assembly.missing();
  out.news.push_back(std::move(news));
}

void CommandDesk::tick(Now now, Outcome& out) {
  out.news.insert(out.news.end(), early_.news.begin(), early_.news.end());
  out.refusals.insert(out.refusals.end(), early_.refusals.begin(), early_.refusals.end());
  early_ = {};
  for (auto at = assemblies_.begin(); at != assemblies_.end();) {
    Assembly& assembly = at->second;
    const uint64_t quiet_ns = now.boot_ns - std::min(now.boot_ns, assembly.heard_ns);
    const bool over = assembly.command().header.expires_ns + clock_tolerance_ns < now.wall_ns;
    if (over || quiet_ns > give_up_after_ns) {
      at = assemblies_.erase(at);
      continue;
    }
    if (quiet_ns > ask_after_ns && now.boot_ns > assembly.asked_ns + ask_after_ns) ask(assembly, now, out);
    ++at;
  }
}

std::optional<Order> CommandDesk::next(CommandKind kind, Now now, Outcome& out) {
  for (const auto& entry : book_.in_state(CommandState::accepted)) {
    if (entry.kind != kind) continue;
    if (entry.expires_ns + clock_tolerance_ns < now.wall_ns) {
      change(entry.id, CommandState::failed, "it expired before it was its turn", out);
      continue;
    }
    const std::string path = body_path(entry.id);
    Order order;
    order.header.node = node_;
    order.header.id = entry.id;
    order.header.kind = kind;
    order.header.issued_ns = entry.issued_ns;
    order.header.expires_ns = entry.expires_ns;
    order.body = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!order.body.valid()) {
      change(entry.id, CommandState::failed, errno_error(path).message, out);
      continue;
    }
    order.header.body_bytes = static_cast<uint64_t>(std::max<off_t>(0, ::lseek(order.body.get(), 0, SEEK_END)));
    if (auto set = book_.set(entry.id, CommandState::started, ""); !set) {
      // Not started: it would be started again after a crash. It waits for the disk.
      out.refusals.push_back({Refusal::Kind::damage, set.error().message, entry.id});
      return std::nullopt;
    }
    ::unlink(path.c_str());
    out.news.push_back(news_of(*book_.find(entry.id)));
    return order;
  }
  return std::nullopt;
}

void CommandDesk::finish(const std::string& id, CommandState state, const std::string& reason, Outcome& out) {
  change(id, state, reason, out);
}

void CommandDesk::change(const std::string& id, CommandState state, const std::string& reason, Outcome& out) {
  const auto* entry = book_.find(id);
  if (entry == nullptr) return;
  CommandNews news = news_of(*entry);
  news.state = state;
  news.reason = reason;
  if (auto set = book_.set(id, state, reason); !set)
    out.refusals.push_back({Refusal::Kind::damage, set.error().message, id});
  out.news.push_back(std::move(news));
}

}  // namespace shrike::command
