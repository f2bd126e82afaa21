#include "scoring/rules/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <sstream>

namespace shrike::scoring {
namespace {

constexpr size_t file_max_bytes = 8u << 20;

struct Failure {
  Problem problem;
};

constexpr size_t documents_max = 64;
constexpr std::array<unsigned, 2> engine_version{0, 63};  // of Falco's language that is understood
constexpr size_t values_max = 1'000'000;
constexpr int depth_max = 64;

// Where a stream's documents begin; everything else is looked at later.
class Documents : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> starts;

  void OnDocumentStart(const YAML::Mark& mark) override { starts.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// The documents of a file, each behind as many empty lines as stand before it, so that its marks are the file's.
// yaml-cpp's LoadAll is not used: at a stray "," it makes documents without end, and Load would drop what follows.
std::vector<std::string> documents_of(const std::string& text) {
  std::vector<std::string> documents;
  size_t begin = 0, lines = 0, begin_lines = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const bool marker =
        line.starts_with("---") && (line.size() == 3 || line[3] == '\n' || line[3] == '\r' || line[3] == ' ');
    if (marker && at > begin) {
      documents.push_back(std::string(begin_lines, '\n') + text.substr(begin, at - begin));
      if (documents.size() == documents_max) break;
      begin = at;
      begin_lines = lines;
    }
    ++lines;
    at = end;
  }
  documents.push_back(std::string(begin_lines, '\n') + text.substr(begin));
  return documents;
}

class Reader {
 public:
  explicit Reader(const RuleFile& file) : file_(file), text_(std::make_shared<const std::string>(file.text)) {}

  Document read() {
    Document document;
    try {
      for (const YAML::Node& part : load()) {
        if (!part.IsSequence())
          fail(part, "expected a list of items: each begins with \"- rule:\", \"- macro:\" or \"- list:\"");
        for (const YAML::Node& node : part) read_item(node, document);
      }
    } catch (const YAML::Exception& error) {
      document.problems.push_back({"", problem_of(error)});
    } catch (const Failure& failure) {
      document.problems.push_back({"", failure.problem});
    }
    return document;
  }

  std::variant<std::vector<YamlValue>, Problem> read_values() {
    try {
      std::vector<YamlValue> values;
      size_t budget = values_max;
      for (const YAML::Node& part : load()) values.push_back(value_of(part, budget, 0));
      return values;
    } catch (const YAML::Exception& error) {
      return problem_of(error);
    } catch (Failure& failure) {
      return std::move(failure.problem);
    }
  }

 private:
  // All documents that are not empty. Throws.
  std::vector<YAML::Node> load() const {
    if (file_.text.size() > file_max_bytes) throw Failure{{"larger than 8 MiB", {file_.name, 0, 0}}};
    std::vector<YAML::Node> parts;
    for (const std::string& text : documents_of(file_.text)) {
      check_single(text);
      parts.push_back(YAML::Load(text));
      if (parts.back().IsNull()) parts.pop_back();
    }
    return parts;
  }

  // A null mark is at 0:0 less one, which is what we use for "the whole file".
  Problem problem_of(const YAML::Exception& error) const {
    return {error.msg, {file_.name, error.mark.line + 1, error.mark.column + 1}};
  }

  // An alias may stand for what it stands in.
  YamlValue value_of(const YAML::Node& node, size_t& budget, int depth) const {
    if (budget-- == 0) fail(node, "too many values");
    if (depth > depth_max) fail(node, "nested too deep");
    YamlValue out;
    out.line = node.Mark().line + 1;
    out.column = node.Mark().column + 1;
    if (node.IsScalar()) {
      out.kind = YamlValue::Kind::scalar;
      out.text = node.Scalar();
    } else if (node.IsSequence()) {
      out.kind = YamlValue::Kind::list;
      for (const YAML::Node& child : node) out.items.push_back(value_of(child, budget, depth + 1));
    } else if (node.IsMap()) {
      out.kind = YamlValue::Kind::map;
      for (const auto& pair : node)
        out.pairs.push_back({value_of(pair.first, budget, depth + 1), value_of(pair.second, budget, depth + 1)});
    }
    return out;
  }

  [[noreturn]] void fail(const YAML::Node& node, std::string message) const {
    throw Failure{{std::move(message), {file_.name, node.Mark().line + 1, node.Mark().column + 1}}};
  }

  void check_single(const std::string& text) const {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Documents documents;
    while (documents.starts.size() < 2 && parser.HandleNextDocument(documents)) {
    }
    if (documents.starts.size() < 2) return;
    const YAML::Mark& where = documents.starts.back();
    throw Failure{{"unexpected text", {file_.name, where.line + 1, where.column + 1}}};
  }

  ScalarPtr scalar(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar()) fail(node, what + " has to be plain text");
    auto out = std::make_shared<Scalar>();
    out->file_text = text_;
    out->file = file_.name;
    out->line = node.Mark().line;
    out->column = node.Mark().column;
    out->value = node.Scalar();
    return out;
  }

  std::vector<ScalarPtr> scalars(const YAML::Node& node, const std::string& what) const {
    std::vector<ScalarPtr> out;
    if (node.IsNull()) return out;
    if (!node.IsSequence()) fail(node, what + " has to be a list");
    for (const YAML::Node& child : node) out.push_back(scalar(child, "an entry of " + what));
    return out;
  }

  bool boolean(const YAML::Node& node, const std::string& what) const {
    const std::string text = scalar(node, what)->value;
    if (text == "true" || text == "True" || text == "TRUE" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "False" || text == "FALSE" || text == "no" || text == "off") return false;
    fail(node, what + " has to be true or false");
  }

  double share(const YAML::Node& node, const std::string& what) const {
    const std::string text = scalar(node, what)->value;
    double value = -1;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size() || !(value >= 0 && value <= 1))
      fail(node, what + " has to be a number from 0 to 1");
    return value;
  }

  void overrides(const YAML::Node& node, Item& item) const {
    if (!node.IsMap()) fail(node, "\"override\" has to name keys: {condition: append}");
    for (const auto& pair : node) {
      const std::string how = scalar(pair.second, "an override")->value;
      if (how != "append" && how != "replace") fail(pair.second, "an override is \"append\" or \"replace\"");
      item.override_keys[scalar(pair.first, "a key")->value] = how == "append" ? Change::append : Change::replace;
    }
  }

  Exception exception(const YAML::Node& node) const {
    if (!node.IsMap()) fail(node, "an exception has to have name, fields, comps and values");
    Exception out;
    for (const auto& pair : node) {
      const std::string key = scalar(pair.first, "a key")->value;
      if (key == "name") {
        out.name = scalar(pair.second, "\"name\"");
      } else if (key == "fields" || key == "comps") {
        auto& into = key == "fields" ? out.fields : out.comps;
        if (pair.second.IsScalar()) {
          if (key == "fields") out.single = true;
          into = {scalar(pair.second, key)};
        } else {
          into = scalars(pair.second, "\"" + key + "\"");
        }
      } else if (key == "values") {
        values(pair.second, out);
      } else {
        fail(pair.first, "an exception has no \"" + key + "\"");
      }
    }
    if (out.name == nullptr) fail(node, "the exception has no name");
    return out;
  }

  void values(const YAML::Node& node, Exception& out) const {
    out.values_given = true;
    if (node.IsNull()) return;
    if (!node.IsSequence()) fail(node, "\"values\" has to be a list");
    for (const YAML::Node& row : node) {
      std::vector<std::vector<ScalarPtr>> tuple;
      if (row.IsScalar()) {
        tuple.push_back({scalar(row, "a value")});
      } else if (row.IsSequence()) {
        for (const YAML::Node& operand : row)
          tuple.push_back(operand.IsSequence() ? scalars(operand, "a value") : std::vector{scalar(operand, "a value")});
      } else {
        fail(row, "an entry of \"values\" has to be a value or a list");
      }
      out.values.push_back(std::move(tuple));
    }
  }

  // A number is Falco's old way to write 0.NUMBER.0.
  void check_engine(const YAML::Node& node) const {
    const std::string text = scalar(node, "\"required_engine_version\"")->value;
    std::array<unsigned, 3> version{};
    const char* at = text.data();
    const char* const end = at + text.size();
    size_t parts = 0;
    for (bool more = true; more && parts < version.size(); ++parts) {
      const auto read = std::from_chars(at, end, version[parts]);
      if (read.ec != std::errc{}) fail(node, "\"" + text + "\" is not a version: 0.57.0");
      more = read.ptr != end && *read.ptr == '.';
      at = read.ptr + (more ? 1 : 0);
    }
    const bool suffix = at != end && parts == version.size() && (*at == '-' || *at == '+');
    if ((at != end && !suffix) || parts == 2) fail(node, "\"" + text + "\" is not a version: 0.57.0");
    if (parts == 1) version = {0, version[0], 0};
    if (version[0] == engine_version[0] && version[1] <= engine_version[1]) return;
    fail(node, "the file needs Falco's rule engine " + text + "; this one understands what " +
                   std::to_string(engine_version[0]) + "." + std::to_string(engine_version[1]) + " does");
  }

  // What the container plugin gives, we have ourselves, so any version of it will do.
  void check_plugins(const YAML::Node& node) const {
    if (node.IsNull()) return;
    if (!node.IsSequence()) fail(node, "\"required_plugin_versions\" has to be a list");
    for (const YAML::Node& plugin : node) {
      std::string needed;
      bool satisfied = false;
      const auto consider = [&](const YAML::Node& entry) {
        if (!entry.IsMap() || !entry["name"]) fail(entry, "a plugin has to have name and version");
        const std::string name = scalar(entry["name"], "a plugin's name")->value;
        if (!entry["version"]) fail(entry, "plugin \"" + name + "\" has no version");
        needed += (needed.empty() ? "\"" : " or \"") + name + "\"";
        satisfied = satisfied || name == "container";
      };
      consider(plugin);
      if (const YAML::Node others = plugin["alternatives"]; others) {
        if (!others.IsSequence()) fail(others, "\"alternatives\" has to be a list");
        for (const YAML::Node& other : others) consider(other);
      }
      if (!satisfied)
        fail(plugin,
             "the file needs Falco's plugin " + needed + ", which is not there: its events and fields are not known");
    }
  }

  void read_item(const YAML::Node& node, Document& document) const {
    std::string name;
    try {
      if (!node.IsMap() || node.size() == 0)
        fail(node, "expected an item: \"- rule: name\", \"- macro: name\" or \"- list: name\"");
      Item item;
      bool requirement = false;
      std::set<std::string> seen;
      for (const auto& pair : node) {
        const std::string key = scalar(pair.first, "a key")->value;
        if (!seen.insert(key).second) fail(pair.first, "\"" + key + "\" is given twice");
        if (key == "required_engine_version") {
          requirement = true;
          check_engine(pair.second);
        } else if (key == "required_plugin_versions") {
          requirement = true;
          check_plugins(pair.second);
        } else if (key == "rule" || key == "macro" || key == "list" || key == "objects") {
          if (item.name != nullptr) fail(pair.first, "an item is a rule, a macro or a list, not two of them");
          item.kind = key == "rule"    ? Item::Kind::rule
                      : key == "macro" ? Item::Kind::macro
                      : key == "list"  ? Item::Kind::list
                                       : Item::Kind::objects;
          item.name = scalar(pair.second, "a name");
          if (item.name->value.empty()) fail(pair.second, "the name is empty");
          name = item.name->value;
        } else {
          read_key(key, pair.first, pair.second, item);
        }
      }
      if (requirement && item.name == nullptr) return;
      if (item.name == nullptr) fail(node, "expected \"rule\", \"macro\" or \"list\" among the item's keys");
      document.items.push_back(std::move(item));
    } catch (const Failure& failure) {
      document.problems.push_back({name, failure.problem});
    }
  }

  void read_key(const std::string& key, const YAML::Node& where, const YAML::Node& value, Item& item) const {
    const std::string what = "\"" + key + "\"";
    if (key == "condition") {
      item.condition = scalar(value, what);
    } else if (key == (item.kind == Item::Kind::objects ? "paths" : "items")) {
      item.items = scalars(value, what);
      item.items_given = true;
    } else if (key == "output") {
      item.output = scalar(value, what);
    } else if (key == "desc") {
      if (!value.IsNull()) item.desc = scalar(value, what);
    } else if (key == "priority") {
      item.priority = scalar(value, what);
    } else if (key == "source") {
      item.source = scalar(value, what);
    } else if (key == "tags") {
      item.tags = scalars(value, what);
      item.tags_given = true;
    } else if (key == "enabled") {
      item.enabled = boolean(value, what);
    } else if (key == "append") {
      item.append = boolean(value, what);
    } else if (key == "override") {
      overrides(value, item);
    } else if (key == "skip-if-unknown-filter") {
      item.skip_if_unknown = boolean(value, what);
    } else if (key == "confidence") {
      item.confidence = share(value, what);
    } else if (key == "exceptions") {
      item.exceptions_given = true;
      if (value.IsNull()) return;
      if (!value.IsSequence()) fail(value, "\"exceptions\" has to be a list");
      for (const YAML::Node& child : value) item.exceptions.push_back(exception(child));
    } else if (key == "warn_evttypes") {
      item.warn_types = boolean(value, what);
    } else if (key != "capture" && key != "capture_duration") {  // Falco's own recording: nothing to do here
      item.remarks.push_back("ignored: unknown key " + what + " at line " + std::to_string(where.Mark().line + 1));
    }
  }

  const RuleFile& file_;
  std::shared_ptr<const std::string> text_;
};

}  // namespace

Document read_document(const RuleFile& file) { return Reader(file).read(); }
std::variant<std::vector<YamlValue>, Problem> read_yaml(const RuleFile& file) { return Reader(file).read_values(); }

}  // namespace shrike::scoring
