// What is known of a check before any event is seen.

#include <algorithm>
#include <array>
#include <climits>

#include "common/wire/filter.h"
#include "scoring/rules/names.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {
namespace {

using K = EventKind;
using Outcome = World::Outcome;

// True of all, of none, or of some of the values a field can have.
Truth over(const Check& check, std::span<const std::string_view> texts) {
  if (check.op == Operator::exists) return Truth::yes;
  size_t held = 0;
  for (const std::string_view text : texts) held += check.passes({text, 0});
  return held == 0 ? Truth::no : held == texts.size() ? Truth::yes : Truth::maybe;
}

Truth exactly(const Check& check, int64_t number) {
  return check.op == Operator::exists || check.passes({{}, number}) ? Truth::yes : Truth::no;
}

// A number anywhere from `low` to `high`.
Truth between(const Check& check, int64_t low, int64_t high) {
  const auto truth = [](bool always, bool never) { return always ? Truth::yes : never ? Truth::no : Truth::maybe; };
  const int64_t n = check.numbers.empty() ? 0 : check.numbers.front();
  switch (check.op) {
    case Operator::less:
      return truth(high < n, low >= n);
    case Operator::less_equal:
      return truth(high <= n, low > n);
    case Operator::greater:
      return truth(low > n, high <= n);
    case Operator::greater_equal:
      return truth(low >= n, high < n);
    case Operator::not_equal:
      return truth(n < low || n > high, low == high && n == low);
    case Operator::exists:
      return Truth::yes;
    default:
      break;
  }
  const bool possible = std::any_of(check.numbers.begin(), check.numbers.end(),
                                    [&](int64_t number) { return number >= low && number <= high; });
  return possible ? Truth::maybe : Truth::no;
}

// Whether failed() of an event is settled by its kind.
bool never_fails(K kind) { return kind == K::exec || kind == K::exit || kind == K::task || kind == K::tcp_state; }

Outcome outcome_of(const World& world) {
  if (never_fails(world.kind)) return Outcome::success;
  return world.kind == K::exec_failed ? Outcome::failure : world.outcome;
}

Truth judge_result(const Check& check, const World& world) {
  const Outcome outcome = outcome_of(world);
  if (outcome == Outcome::any || check.op == Operator::regex || check.op == Operator::search) return Truth::maybe;
  if (outcome == Outcome::success) return over(check, std::array<std::string_view, 1>{"SUCCESS"});
  // A number may stand for an error without a name, so that "all names" proves little: only `no` counts.
  return over(check, all_errno_names()) == Truth::no && check.op != Operator::not_equal ? Truth::no : Truth::maybe;
}

Truth judge_open(const Check& check, const World& world, std::string_view name) {
  const Outcome outcome = outcome_of(world);
  if (name == "fd.num" && outcome == Outcome::failure) return exactly(check, -1);
  if (name == "fd.num" && outcome == Outcome::success) return between(check, 0, INT_MAX);
  if (name == "fd.typechar" && outcome == Outcome::failure) return over(check, std::array<std::string_view, 1>{"f"});
  if (name == "fd.typechar") return over(check, std::array<std::string_view, 2>{"f", "d"});
  if (name == "fd.type" && outcome == Outcome::failure) return over(check, std::array<std::string_view, 1>{"file"});
  if (name == "fd.type") return over(check, std::array<std::string_view, 2>{"file", "directory"});
  if ((name.starts_with("fd.real") || name == "fd.object") && outcome == Outcome::failure) return Truth::no;
  if (outcome != Outcome::success) return Truth::maybe;
  // What the kernel classed as only reading has no flag of writing, and the other way round.
  if (world.access == access_open_read &&
      (name == "evt.is_open_write" || name == "evt.is_open_create" || name == "evt.is_open_exec"))
    return exactly(check, 0);
  if (world.access == access_open_read && name == "evt.is_open_read") return exactly(check, 1);
  if (world.access == access_open_write && name == "evt.is_open_read") return exactly(check, 0);
  return Truth::maybe;
}

}  // namespace

Truth judge(const Check& check, const World& world) {
  if (!has_fields(*check.left, world.kind)) return Truth::no;
  if (check.right != nullptr && !has_fields(*check.right, world.kind)) return Truth::no;
  if (check.field() == nullptr || check.quantity != Quantity::none) return Truth::maybe;
  const std::string_view name = check.field()->field->name;
  if (name == "evt.type" || name == "syscall.type") return over(check, event_types_of(world.kind));
  if (name == "evt.kind") return over(check, std::array{kind_name(world.kind)});
  if (name == "evt.dir") return over(check, std::array<std::string_view, 1>{"<"});
  if (name == "evt.source") return over(check, std::array<std::string_view, 1>{"syscall"});
  if (name == "evt.num") return between(check, 1, INT64_MAX);
  if (name == "evt.count") return exactly(check, 1);
  if (name == "evt.res") return judge_result(check, world);
  const Outcome outcome = outcome_of(world);
  if (name == "evt.failed" && outcome != Outcome::any) return exactly(check, outcome == Outcome::failure);
  if (name == "evt.rawres" && outcome == Outcome::failure) return between(check, INT64_MIN, -1);
  if (name == "evt.rawres" && outcome == Outcome::success && !never_fails(world.kind))
    return between(check, 0, INT64_MAX);
  if (name.starts_with("proc.is_container_")) return exactly(check, 0);
  if (world.kind == K::open) return judge_open(check, world, name);
  if (kinds::changes.has(world.kind) && (name == "fd.typechar" || name == "fd.type"))
    return over(check, name == "fd.type" ? std::array<std::string_view, 2>{"file", "directory"}
                                         : std::array<std::string_view, 2>{"f", "d"});
  if (kinds::socket.has(world.kind) && name == "fd.typechar")
    return over(check, std::array<std::string_view, 4>{"4", "6", "u", "n"}) == Truth::no ? Truth::no : Truth::maybe;
  if (kinds::socket.has(world.kind) && name == "fd.type")
    return over(check, std::array<std::string_view, 4>{"ipv4", "ipv6", "unix", "netlink"}) == Truth::no ? Truth::no
                                                                                                        : Truth::maybe;
  return Truth::maybe;
}

}  // namespace shrike::scoring
