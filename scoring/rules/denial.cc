#include "scoring/rules/denial.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "scoring/rules/explain.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

// What can be refused before it is done, and as which access.
constexpr auto refusable = std::to_array<std::pair<K, uint32_t>>({
    {K::open, 0},
    {K::exec, 0},
    {K::rename, access_rename},
    {K::unlink, access_unlink},
    {K::link, access_link},
    {K::symlink, access_symlink},
    {K::mkdir, access_mkdir},
    {K::rmdir, access_rmdir},
    {K::chmod, access_chmod},
    {K::chown, access_chown},
    {K::truncate, access_truncate},
    {K::setxattr, access_setxattr},
});
constexpr uint8_t opens_all = 0b1111, opens_read = 0b0101, opens_write = 0b0110;

std::string_view field_of(const Tree& tree) {
  return tree.is(Tree::Kind::check) && tree.check->field() != nullptr ? tree.check->field()->field->name
                                                                      : std::string_view();
}

/// One kind of event's part of the answer, from what the kind leaves of the condition.
class KindReader {
 public:
  KindReader(const std::vector<std::string>& names, const std::map<std::string, FilterSpec::Objects>& sets, K kind)
      : names_(names), sets_(sets), kind_(kind) {}

  /// Nothing when it was understood; else what was not.
  std::optional<std::string> read(const TreePtr& part, Denial& out) {
    if (part->is(Tree::Kind::all)) {
      for (const TreePtr& child : part->children)
        if (auto fault = read(child, out)) return fault;
      return std::nullopt;
    }
    const bool negated = part->is(Tree::Kind::negation);
    const Tree& inner = negated ? *part->children.front() : *part;
    if (kind_ == K::open && read_open(inner, negated, out)) return std::nullopt;
    const auto sets = named(inner);
    const bool program = field_of(inner) == "proc.exe_object";
    if (!sets) return spell(part);
    if (program && kind_ != K::exec) {
      if (!negated && out.only != 0) return spell(part) + " (a second time)";
      (negated ? out.exempt : out.only) |= *sets;
      return std::nullopt;
    }
    // Of an exec, the executable is the program that is asked for.
    if (negated || (program != (kind_ == K::exec)) || out.sets != 0) return spell(part);
    out.sets = *sets;
    return std::nullopt;
  }

 private:
  static bool read_open(const Tree& check, bool negated, Denial& out) {
    const std::string_view name = field_of(check);
    const uint8_t mask = name == "evt.is_open_read" ? opens_read : name == "evt.is_open_write" ? opens_write : 0;
    if (mask == 0 || check.check->op != Operator::equal || check.check->numbers.size() != 1) return false;
    const bool wanted = (check.check->numbers[0] != 0) != negated;
    out.opens &= wanted ? mask : static_cast<uint8_t>(opens_all & ~mask);
    return true;
  }

  /// The sets that a check of objects names; the names that stand beside it must be theirs.
  [[nodiscard]] std::optional<uint32_t> named(const Tree& tree) const {
    if (tree.is(Tree::Kind::any)) {
      std::optional<uint32_t> sets;
      for (const TreePtr& child : tree.children)
        if (field_of(*child) == "fd.object" && !sets) sets = named(*child);
      if (!sets) return std::nullopt;
      for (const TreePtr& child : tree.children)
        if (field_of(*child) != "fd.object" && !is_path_of(*child, *sets)) return std::nullopt;
      return sets;
    }
    const std::string_view name = field_of(tree);
    if ((name != "fd.object" && name != "proc.exe_object") || tree.check->op != Operator::in) return std::nullopt;
    uint32_t bits = 0;
    for (const std::string& text : tree.check->texts) {
      const auto at = std::find(names_.begin(), names_.end(), text);
      if (at == names_.end()) return std::nullopt;
      bits |= 1u << (at - names_.begin());
    }
    return bits;
  }

  [[nodiscard]] bool is_path_of(const Tree& check, uint32_t bits) const {
    const std::string_view name = field_of(check);
    if (name != "fd.realpath" && name != "fs.path.name" && name != "fs.path.new") return false;
    return std::all_of(check.check->texts.begin(), check.check->texts.end(), [&](const std::string& text) {
      return std::any_of(sets_.begin(), sets_.end(), [&](const auto& set) {
        const auto& paths = set.second.paths;
        const auto is = [&](const std::string& path) { return text == path || text == path + "/*"; };
        return (set.second.sets & bits) != 0 && std::any_of(paths.begin(), paths.end(), is);
      });
    });
  }

  const std::vector<std::string>& names_;
  const std::map<std::string, FilterSpec::Objects>& sets_;
  K kind_;
};

bool same_but_for_calls(const Denial& a, const Denial& b) {
  return a.sets == b.sets && a.only == b.only && a.exempt == b.exempt;
}

}  // namespace

Result<std::vector<Denial>> denials_of(const std::string& rule, const TreePtr& condition,
                                       const std::vector<std::string>& set_names,
                                       const std::map<std::string, FilterSpec::Objects>& sets) {
  std::vector<Denial> out;
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<K>(k);
    if (kind_name(kind) == "none") continue;
    const TreePtr left = fold(condition, {kind, World::Outcome::success, 0});
    if (left->is(Tree::Kind::no)) continue;
    const auto* can =
        std::find_if(refusable.begin(), refusable.end(), [&](const auto& one) { return one.first == kind; });
    const std::string events = "of events of kind " + std::string(kind_name(kind)) + ": ";
    if (can == refusable.end()) return Error{events + "it is no call that can be refused"};
    Denial one;
    one.rule = rule;
    one.opens = kind == K::open ? opens_all : 0;
    one.exec = kind == K::exec;
    one.access = can->second;
    if (const auto fault = KindReader(set_names, sets, kind).read(left, one))
      return Error{events + "the kernel cannot ask \"" + *fault +
                   "\": only fd.object, proc.exe_object, evt.is_open_read, evt.is_open_write and the kind of event"};
    if (one.sets == 0)
      return Error{events + (one.exec ? "it names no program by proc.exe_object" : "it names no file by fd.object")};
    if (kind == K::open && one.opens == 0) continue;
    const auto same = std::find_if(out.begin(), out.end(), [&](const Denial& d) { return same_but_for_calls(d, one); });
    if (same == out.end()) {
      out.push_back(std::move(one));
    } else {
      same->opens |= one.opens;
      same->access |= one.access;
      same->exec |= one.exec;
    }
  }
  if (out.empty()) return Error{"no call that succeeds can satisfy it"};
  return out;
}

}  // namespace shrike::scoring
