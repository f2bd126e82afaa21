#pragma once
// What a rule can ask about an event: one table of fields, each with its type, the kinds of event that have it, and
// the function that reads it.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/event.h"
#include "scoring/rules/kind_set.h"

namespace shrike::scoring {

/// One value of a field. Which member counts depends on the field's type; an address is its 4 or 16 bytes as text.
struct Value {
  std::string_view text;
  int64_t number = 0;
};

/// The values of a field for one event: none (missing), one, or many (all ancestors' names).
class Values {
 public:
  explicit Values(std::vector<Value>& out) : out_(out) {}
  void text(std::string_view value) { out_.push_back({value, 0}); }
  /// Nothing for an empty text: what is unknown is missing.
  void known(std::string_view value) {
    if (!value.empty()) text(value);
  }
  void number(int64_t value) { out_.push_back({{}, value}); }
  void number(uint64_t value) { number(static_cast<int64_t>(value)); }
  void number(uint32_t value) { number(static_cast<int64_t>(value)); }
  void number(int value) { number(static_cast<int64_t>(value)); }
  void boolean(bool value) { number(static_cast<int64_t>(value)); }

 private:
  std::vector<Value>& out_;
};

/// Memory for texts that have to be put together (a command line, names of flags); all given back at once.
class Arena {
 public:
  Arena();
  void reset() {
    chunk_ = 0, used_ = 0;
    if (!large_.empty()) large_.clear();
  }
  /// Room for `bytes` characters. No allocation while one event needs less than 64 KiB.
  char* take(size_t bytes);
  /// A copy of `text`.
  std::string_view keep(std::string_view text);
  std::string_view decimal(int64_t value);

 private:
  std::vector<std::unique_ptr<char[]>> chunks_, large_;
  size_t chunk_ = 0;
  size_t used_ = 0;
};

struct HostNames;  // engine.h

/// What an extractor may look at.
struct Context {
  const Event& event;
  const Process* process;  ///< may be null
  Arena& arena;
  int64_t number;  ///< evt.num
  const std::string& hostname;
  const HostNames* hosts = nullptr;                   ///< may be null
  const std::vector<std::string>* objects = nullptr;  ///< names of sets of objects, by bit; may be null
};

using Extract = void (*)(const Context&, int index, Values&);
/// The same where the argument is a text: container.mount.dest[/proc].
using ExtractNamed = void (*)(const Context&, std::string_view argument, Values&);

enum class Type : uint8_t { text, number, boolean, address };

/// How a text field relates to a path the kernel's filter can test.
enum class PathPart : uint8_t { none, whole, directory, last };

struct Field {
  enum class Takes : uint8_t { nothing, index, maybe_index, name, text, maybe_text };
  std::string_view name;
  Type type = Type::text;
  KindSet kinds;  ///< every other kind of event has no such field; empty: known to rules, never to us
  Extract extract = nullptr;
  std::string_view about;
  Takes takes = Takes::nothing;
  PathPart path = PathPart::none;
  bool both = false;  ///< more than one value, and `!=` has to hold for all of them (fd.ip, fd.port, fd.net)
  uint8_t cost = 1;   ///< relative; a joined command line is long to read and to search
  bool list = false;  ///< without an index many values that belong together, which getopt() and join() take
  ExtractNamed extract_named = nullptr;  ///< instead of `extract` where it takes a text
};

/// The whole table, in the order it is documented.
std::span<const Field> all_fields();

/// A field as a rule names it.
struct FieldUse {
  const Field* field = nullptr;
  int index = -1;        ///< argument where it is a number
  std::string argument;  ///< as written, for evt.arg and where it is a text
  [[nodiscard]] std::string text() const;
};
/// Finds "proc.aname" with argument "2", or "evt.arg.flags" without one. Errors are sentences without a position.
/// `unknown` is set when the field or argument is one we do not have (and not merely used wrongly).
std::optional<FieldUse> find_field(std::string_view name, std::optional<std::string_view> argument, std::string& error,
                                   bool& unknown);

/// How to read a field from one kind of event; nothing when that kind does not have it.
struct Reader {
  Extract extract = nullptr;
  int index = -1;
  PathPart path = PathPart::none;
  ExtractNamed extract_named = nullptr;
  std::string argument = {};

  void read(const Context& context, Values& out) const {
    if (extract_named != nullptr) return extract_named(context, argument, out);
    extract(context, index, out);
  }
};
std::optional<Reader> reader_for(const FieldUse& use, EventKind kind);

/// One argument of a system call, by Falco's name: evt.arg.<name>.
struct CallArgument {
  std::string_view name;
  Extract extract;
  int raw = -1;  ///< which of Event::arg it is, for evt.rawarg.<name>
  PathPart path = PathPart::none;
  bool alias = false;  ///< another name of one before: not listed in evt.args
};
std::span<const CallArgument> arguments_of(EventKind kind);

// The parts of the table, one for each file fields_*.cc.
std::span<const Field> event_fields();
std::span<const Field> descriptor_fields();
std::span<const Field> process_fields();
std::span<const Field> workload_fields();
std::span<const Field> container_fields();
std::span<const Field> absent_fields();

// Shared by extractors.
/// The names of sets of objects.
void object_names(const Context& context, uint32_t sets, Values& out);
std::string_view process_name(const Context& context);
/// `name` and the arguments from argv[1] on.
std::string_view command_line(Arena& arena, const Process& process);
std::string_view arguments_text(Arena& arena, const Process& process);
/// 12 characters, "host" on the host.
std::string_view container_id(const Process* process);
/// Whether the event is a call that failed.
bool failed(const Event& event);

}  // namespace shrike::scoring
