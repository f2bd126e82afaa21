#include <algorithm>
#include <array>

#include "common/base/clock.h"
#include "scoring/rules/field.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {

bool failed(const Event& event) {
  switch (event.kind) {
    case EventKind::exec:
    case EventKind::exit:
    case EventKind::task:
    case EventKind::tcp_state:
      return false;  // no call that returns, or one that never fails
    case EventKind::exec_failed:
      return true;
    default:
      return event.result < 0;
  }
}

namespace {

using K = EventKind;
constexpr KindSet all = KindSet::all();
constexpr KindSet open_only{K::open};

constexpr uint64_t open_write_only = 1, open_read_write = 2, open_access = 3, open_creat = 0100;

// creat() has no flags of its own.
uint64_t flags_of_open(const Event& event) {
  return event_type(event) == "creat" ? open_write_only | open_creat | 01000 : event.arg[0];
}

void time_text(const Context& c, int, Values& out) { out.text(c.arena.keep(rfc3339(c.event.time_ns))); }

void result_text(const Context& c, int, Values& out) {
  if (!failed(c.event)) return out.text("SUCCESS");
  const std::string_view name = errno_name(-c.event.result);
  out.text(name.empty() ? c.arena.decimal(c.event.result) : name);
}

// "name=value name=value", as Falco prints them.
void all_arguments(const Context& c, int, Values& out) {
  constexpr size_t room = 8192;
  char* const text = c.arena.take(room);
  size_t used = 0;
  const auto add = [&](std::string_view part) {
    const size_t n = std::min(part.size(), room - used);
    std::copy_n(part.begin(), n, text + used);
    used += n;
  };
  std::vector<Value> one;
  for (const CallArgument& argument : arguments_of(c.event.kind)) {
    if (argument.alias) continue;
    one.clear();
    Values values(one);
    argument.extract(c, argument.raw, values);
    if (used != 0) add(" ");
    add(argument.name);
    add("=");
    add(one.empty() ? "<NA>" : one.front().text);
  }
  out.text({text, used});
}

constexpr auto fields = std::to_array<Field>({
    {"evt.num", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.number); },
     "number of the event since the rules were loaded, from 1"},
    {"evt.time", Type::text, all, time_text, "time of the event, RFC 3339 in UTC", {}, {}, false, 9},
    {"evt.time.iso8601", Type::text, all, time_text, "the same", {}, {}, false, 9},
    {"evt.datetime", Type::text, all, time_text, "the same", {}, {}, false, 9},
    {"evt.rawtime", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.time_ns); },
     "time in nanoseconds since 1970"},
    {"evt.type", Type::text, all, [](const Context& c, int, Values& out) { out.text(event_type(c.event)); },
     "name of the system call; procexit and tcp_state for what is none"},
    {"syscall.type", Type::text, all, [](const Context& c, int, Values& out) { out.text(event_type(c.event)); },
     "the same as evt.type"},
    {"evt.kind", Type::text, all, [](const Context& c, int, Values& out) { out.text(kind_name(c.event.kind)); },
     "ours: kind of the event (exec, open, map_wx, ...), one for all calls that do the same"},
    {"evt.dir", Type::text, all, [](const Context&, int, Values& out) { out.text("<"); },
     "always <: calls are judged when they return"},
    {"evt.source", Type::text, all, [](const Context&, int, Values& out) { out.text("syscall"); }, "always syscall"},
    {"evt.cpu", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.cpu); },
     "core it happened on"},
    {"evt.count", Type::number, all, [](const Context&, int, Values& out) { out.number(1); }, "always 1"},
    {"evt.args", Type::text, all, all_arguments, "all arguments as name=value", {}, {}, false, 20},
    {"evt.info", Type::text, all, all_arguments, "the same", {}, {}, false, 20},
    {"evt.arg", Type::text, all, nullptr, "one argument by name or number: evt.arg.flags, evt.arg[0]",
     Field::Takes::name, {}, false, 3},
    {"evt.rawarg", Type::number, all, nullptr, "one argument as a number", Field::Takes::name},
    {"evt.res", Type::text, all, result_text, "SUCCESS or the name of the error (ENOENT)"},
    {"evt.rawres", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.result); },
     "what the call returned"},
    {"evt.failed", Type::boolean, all, [](const Context& c, int, Values& out) { out.boolean(failed(c.event)); },
     "true when the call failed"},
    {"evt.hostname", Type::text, all, [](const Context& c, int, Values& out) { out.known(c.hostname); },
     "name of the node"},
    {"evt.is_open_read", Type::boolean, open_only,
     [](const Context& c, int, Values& out) {
       const uint64_t access = flags_of_open(c.event) & open_access;
       out.boolean(access == 0 || access == open_read_write);
     },
     "opened for reading; O_RDWR is both"},
    {"evt.is_open_write", Type::boolean, open_only,
     [](const Context& c, int, Values& out) {
       const uint64_t access = flags_of_open(c.event) & open_access;
       out.boolean(access == open_write_only || access == open_read_write);
     },
     "opened for writing; O_RDWR is both"},
    {"evt.is_open_exec", Type::boolean, open_only,
     [](const Context& c, int, Values& out) {
       out.boolean((flags_of_open(c.event) & open_creat) != 0 && (c.event.arg[1] & 0111) != 0);
     },
     "an open that makes a file with permission to execute it"},
    {"evt.is_open_create", Type::boolean, open_only,
     [](const Context& c, int, Values& out) { out.boolean((c.event.flags & flag_created) != 0); },
     "the open made the file"},
    {"evt.is_compat", Type::boolean, all,
     [](const Context& c, int, Values& out) { out.boolean((c.event.flags & flag_compat32) != 0); },
     "ours: called through the 32-bit entry"},
    {"evt.is_x32", Type::boolean, all,
     [](const Context& c, int, Values& out) { out.boolean((c.event.flags & flag_x32) != 0); }, "ours: an x32 call"},
    {"evt.is_uring", Type::boolean, all,
     [](const Context& c, int, Values& out) { out.boolean((c.event.flags & flag_uring) != 0); },
     "ours: done by io_uring on the process's behalf"},
    {"uring.op", Type::text, {K::uring_op},
     [](const Context& c, int, Values& out) { out.known(uring_operation(c.event.arg[0])); },
     "ours: operation submitted to io_uring, in small letters (openat, connect)"},
    {"toctou.entry", Type::text, {K::toctou},
     [](const Context& c, int, Values& out) { out.known(c.event.path.text); },
     "ours: the argument as the call began"},
    {"toctou.exit", Type::text, {K::toctou},
     [](const Context& c, int, Values& out) { out.known(c.event.path_at_exit); },
     "ours: the same argument as the call returned"},
});

}  // namespace

std::span<const Field> event_fields() { return fields; }

}  // namespace shrike::scoring
