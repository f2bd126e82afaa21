// The compiled program against the plainest possible evaluation of the same tree.
#include "scoring/rules/program.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "scoring/rules/definitions.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

bool naive(const Tree& tree, const Context& context) {
  switch (tree.kind) {
    case Tree::Kind::no:
      return false;
    case Tree::Kind::yes:
      return true;
    case Tree::Kind::negation:
      return !naive(*tree.children[0], context);
    case Tree::Kind::all:
      return std::all_of(tree.children.begin(), tree.children.end(), [&](auto& c) { return naive(*c, context); });
    case Tree::Kind::any:
      return std::any_of(tree.children.begin(), tree.children.end(), [&](auto& c) { return naive(*c, context); });
    case Tree::Kind::check:
      break;
  }
  // As the engine sees it: no values at all, or a list with nothing in it.
  const auto values_of = [&](const Operand& operand, std::vector<Value>& values) -> Given {
    if (!evaluate(operand, context, values)) return {};
    return values.empty() ? Given(&nothing_in_it, 0) : Given(values);
  };
  std::vector<Value> left, right;
  const Given left_values = values_of(*tree.check->left, left);
  if (tree.check->right == nullptr) return tree.check->holds(left_values);
  return tree.check->holds(left_values, values_of(*tree.check->right, right));
}

TreePtr bound(const std::string& condition) {
  auto scalar = std::make_shared<Scalar>();
  scalar->file_text = std::make_shared<const std::string>(condition);
  scalar->value = condition;
  std::vector<std::string> remarks;
  Position where;
  auto parsed = parse_condition(std::make_shared<const SourceText>(scalar));
  return std::get<TreePtr>(bind_tree(std::get<NodePtr>(parsed), remarks, where));
}

const std::vector<std::string> leaves{"proc.exepath=/usr/bin/a",
                                      "proc.exepath in (/usr/bin/a, /usr/bin/b, /opt/c, /x, /y)",
                                      "proc.exepath startswith /usr/bin/",
                                      "proc.exepath startswith /usr/b",
                                      "proc.exepath endswith /a",
                                      "proc.exepath endswith a",
                                      "proc.exepath contains /bin/",
                                      "proc.exepath contains in",
                                      "proc.exepath glob '/usr/*/a'",
                                      "proc.exepath glob '*a'",
                                      "proc.exepath pmatch (/usr, /opt/c)",
                                      "proc.exepath pmatch (/)",
                                      "proc.exepath exists",
                                      "proc.exepath != /usr/bin/a",
                                      "proc.exepath in ()",
                                      "proc.exe startswith [",
                                      "proc.aname=bash",
                                      "proc.aname in (x, systemd)",
                                      "proc.aname[1]=zsh",
                                      "proc.pname != bash",
                                      "fd.name=/usr/bin/a",
                                      "fd.name pmatch (/opt, /usr/bin/a/)",
                                      "fd.realpath contains /c/",
                                      "fd.filename in (a, c)",
                                      "fd.name contains bin",
                                      "tolower(proc.exepath)=/usr/bin/a",
                                      "tolower(proc.exepath) contains bin",
                                      "tolower(proc.exepath) contains BIN",
                                      "tolower(proc.exepath) contains allof (usr, a)",
                                      "tolower(proc.exepath) startswith /us",
                                      "tolower(proc.exepath) endswith in/a",
                                      "tolower(fd.realpath) contains anyof (c, /opt/)",
                                      "fd.name icontains BIN",
                                      "fs.path.name icontains opt",
                                      "tolower(proc.aname) contains as",
                                      "tolower(basename(fd.name)) endswith a",
                                      "basename(fd.name) in (a, b)",
                                      "len(fd.name) > 6",
                                      "evt.failed=true",
                                      "evt.is_open_read=true",
                                      "evt.arg.flags contains O_RDWR",
                                      "user.uid in (0, 1000)",
                                      "k8s.ns.name=x",
                                      "fd.num>=0",
                                      "fd.name regex '/[a-z]+/.*'",
                                      "evt.kind=open",
                                      "proc.exepath icontains BIN/",
                                      "proc.exepath iglob '/USR/*/a'",
                                      "tolower(fd.name) contains bin/a",
                                      "toupper(proc.exepath) endswith /A",
                                      "tolower(proc.exepath) in (/usr/bin/a, /opt/c)",
                                      "proc.exepath regex '.*bin/a'",
                                      "proc.exepath regex '/(usr|opt)/c?.*'",
                                      "proc.cmdline regex '(?i).*BIN.*'",
                                      "fd.filename startswith a",
                                      "fd.directory=/usr/bin",
                                      "fd.directory contains /usr/",
                                      "fd.directory endswith bin",
                                      "basename(fd.name) endswith a",
                                      "proc.exepath contains anyof (usr, c)",
                                      "proc.exepath contains allof (usr, in)",
                                      "proc.exepath = oneof (/usr/bin/a, /usr/bin/a, /x)",
                                      "proc.exepath bcontains 62696e",
                                      "proc.exe bstartswith 2f75",
                                      "proc.name = val(proc.pname)",
                                      "proc.exepath = val(fd.name)",
                                      "fd.name startswith val(proc.exepath)",
                                      "proc.exe < val(proc.exepath)",
                                      "user.uid = val(group.gid)",
                                      "concat(proc.exepath, \"/\", proc.name) contains bin/a/a",
                                      "join(\":\", (proc.name, fd.name)) endswith :/opt/c",
                                      "proc.pname in val(proc.aname)",
                                      "proc.exepath pmatch (/u*, /opt)",
                                      "user.uid=1000",
                                      "getopt(proc.arg, \"ab:\") intersects (b)"};

TEST(Program, DecidesAsThePlainEvaluationDoes) {
  std::mt19937 engine(42);
  const auto below = [&](size_t n) { return static_cast<size_t>(engine() % n); };
  const std::function<std::string(int)> condition = [&](int depth) -> std::string {
    const size_t what = below(depth <= 0 ? 2 : 6);
    if (what == 0) return "not " + leaves[below(leaves.size())];
    if (what <= 2) return leaves[below(leaves.size())];
    std::string out = "(";
    for (size_t i = 0, n = 2 + below(3); i < n; ++i)
      out += (i == 0 ? "" : what == 3 ? " or " : " and ") + condition(depth - 1);
    return (below(5) == 0 ? "not " : "") + out + ")";
  };
  const std::vector<std::string> paths{"/usr/bin/a", "/usr/bin/b", "/opt/c",     "/opt/c/d", "/",       "",
                                       "a",          "[x]",        "/usr/bin/A", "/x",       "/usr/bin"};
  const std::vector<K> kinds{K::open, K::open, K::exec, K::rename};
  const std::string hostname;
  size_t held = 0;
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> conditions;
    std::vector<TreePtr> trees;
    std::string text;
    for (int r = 0; r < 70; ++r) {  // more than one word of rules
      conditions.push_back(condition(3));
      trees.push_back(bound(conditions.back()));
      text += "- rule: \"" + std::to_string(r) + "\"\n  condition: >\n    " + conditions.back() +
              "\n  output: o\n  priority: INFO\n";
    }
    const RuleSet rules = RuleSet::compile({{"t", text}}, nullptr).value();
    for (int j = 0; j < 30; ++j) {
      Scene s(kinds[below(kinds.size())]);
      s.program(paths[below(paths.size())]).argv0(paths[below(paths.size())]);
      if (below(3) == 0) s.fails(2);
      s.opens(paths[below(paths.size())], below(3)).path2(paths[below(paths.size())]);
      Arena arena;
      const Context context{s.event, s.event.process, arena, 1, hostname};
      std::vector<std::string> expected;
      for (size_t r = 0; r < trees.size(); ++r)
        if (naive(*trees[r], context)) expected.push_back(std::to_string(r));
      held += expected.size();
      ASSERT_EQ(fired(rules, s.event), expected);
    }
  }
  EXPECT_GT(held, 2000u);
}

}  // namespace
}  // namespace shrike::scoring
