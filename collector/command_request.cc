#include "collector/command_request.h"

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/wire/bundle.h"
#include "common/wire/codec.h"
#include "common/wire/subjects.h"

namespace shrike::collector {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t second_ns = 1'000'000'000;

/// Reads keys of an object; the first thing wrong is kept.
class Reader {
 public:
  Reader(const Json& json, BadParameter& bad) : json_(json), bad_(bad) {}

  void wrong(const std::string& key, const std::string& what) {
    if (bad_.parameter.empty()) bad_ = {key, what};
  }
  const Json* take(const char* key) {
    asked_[key] = true;
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  std::string text(const char* key, bool needed) {
    const Json* value = take(key);
    if (value == nullptr && needed) wrong(key, "is missing");
    if (value != nullptr && !value->is_string()) wrong(key, "must be a text");
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  }
  std::string bytes(const std::string& key, const Json& value) {
    if (!value.is_string()) return wrong(key, "must be base64 in a text"), "";
    auto decoded = unbase64(value.get_ref<const std::string&>());
    if (!decoded) return wrong(key, decoded.error().message), "";
    return std::move(decoded).value();
  }
  bool finish() {
    for (const auto& [key, value] : json_.items())
      if (!asked_.contains(key)) wrong(key, "is no key of a command");
    return bad_.parameter.empty();
  }

 private:
  const Json& json_;
  BadParameter& bad_;
  std::map<std::string, bool> asked_;
};

/// The job's id is the command's, so that one repeated under another name is another one on purpose.
std::string id_of_job(Reader& reader, const Json& job, const std::string& id) {
  const auto at = job.find("id");
  const std::string own = at != job.end() && at->is_string() ? at->get<std::string>() : std::string();
  if (!id.empty() && id != own) reader.wrong("id", "is not the job's own id");
  return own;
}

void read_detonation(Reader& reader, NewCommand& command) {
  const Json* job = reader.take("job");
  const Json* files = reader.take("files");
  if (job == nullptr || !job->is_object()) return reader.wrong("job", "must be an object");
  if (files == nullptr || !files->is_array() || files->empty() || files->size() > bundle_files_max)
    return reader.wrong("files", "must be a list of 1 to 64 files in base64, the program first");
  command.id = id_of_job(reader, *job, command.id);
  std::vector<std::string> contents;
  for (size_t i = 0; i < files->size(); ++i)
    contents.push_back(reader.bytes("files[" + std::to_string(i) + "]", (*files)[i]));
  const std::vector<std::string_view> views(contents.begin(), contents.end());
  auto body = encode_bundle(job->dump(-1, ' ', false, Json::error_handler_t::replace), views);
  if (!body) return reader.wrong("job", body.error().message);
  command.body = std::move(body).value();
}

}  // namespace

std::optional<NewCommand> parse_command_request(std::string_view text, BadParameter& bad) {
  if (!is_plain_json_object(text)) {
    bad = {"body", "must be one JSON object"};
    return std::nullopt;
  }
  const Json json = Json::parse(text);
  Reader reader(json, bad);
  NewCommand command;
  command.node = reader.text("node", true);
  if (auto good = check_node_id(command.node); !good) reader.wrong("node", good.error().message);
  command.id = reader.text("id", false);
  if (!command.id.empty())
    if (auto good = check_command_id(command.id); !good) reader.wrong("id", good.error().message);
  const std::string kind = reader.text("kind", false);
  const auto known = command_kind_named(kind.empty() ? "detonate" : kind);
  if (!known) reader.wrong("kind", "must be detonate or profile");
  command.kind = known.value_or(CommandKind::detonate);
  if (const Json* life = reader.take("expires_s")) {
    if (!life->is_number_unsigned() || life->get<uint64_t>() < 1 ||
        life->get<uint64_t>() > command_life_max_ns / second_ns)
      reader.wrong("expires_s", "must be a whole number from 1 to 604800");
    else
      command.life_ns = life->get<uint64_t>() * second_ns;
  }
  if (command.kind == CommandKind::detonate) {
    read_detonation(reader, command);
  } else if (const Json* body = reader.take("body")) {
    command.body = reader.bytes("body", *body);
  }
  if (command.body.size() > command_body_max_bytes) reader.wrong("files", "are over 64 MiB together");
  if (!reader.finish()) return std::nullopt;
  return command;
}

}  // namespace shrike::collector
