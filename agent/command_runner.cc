#include "agent/command_runner.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <set>

#include "agent/self_watch.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/wire/bundle.h"
#include "common/wire/codec.h"
#include "common/wire/fleet_profiles.h"

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;

command::Now now() { return {wall_now_ns(), boot_now_ns()}; }

Outbox::Item news_event(const CommandNews& news) {
  const std::string detail = command_news_to_json(news);
  Event event;
  event.kind = EventKind::command;
  event.time_ns = wall_now_ns();
  event.path.text = news.id;
  event.path2.text = command_state_name(news.state);
  event.detail = detail;
  Outbox::Item item;
  item.time_ns = event.time_ns;
  encode_event(event, item.event);
  return item;
}

Alert refusal_alert(const command::Refusal& refusal) {
  struct Words {
    const char* rule;
    Severity severity;
  };
  static constexpr std::array<Words, 5> words = {{{"Command forged", Severity::high},
                                                  {"Command for another node", Severity::medium},
                                                  {"Command id used twice", Severity::medium},
                                                  {"Command refused", Severity::medium},
                                                  {"Commands impaired", Severity::medium}}};
  const Words& word = words.at(static_cast<size_t>(refusal.kind));
  Alert alert = integrity_alert(wall_now_ns(), word.rule, word.severity, refusal.message);
  if (!refusal.id.empty()) alert.fields = {{"command", refusal.id}};
  return alert;
}

/// One file out of a bundle, as a file of its own without a name.
Result<Fd> extract(int bundle, const BundleHead::File& file, const std::string& path) {
  Fd to(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!to.valid()) return errno_error(path);
  std::string chunk(256u << 10, '\0');
  for (uint64_t at = 0; at < file.size;) {
    const auto want = static_cast<size_t>(std::min<uint64_t>(chunk.size(), file.size - at));
    const ssize_t n = ::pread(bundle, chunk.data(), want, static_cast<off_t>(file.offset + at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno_error("the command's body") : Error{"the command's body is cut"};
    TRY_VOID(write_all(to.get(), std::string_view(chunk).substr(0, static_cast<size_t>(n))));
    at += static_cast<uint64_t>(n);
  }
  Fd out(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const int error = errno;
  ::unlink(path.c_str());
  if (!out.valid()) return errno_error(path, error);
  return out;
}

}  // namespace

Result<std::unique_ptr<CommandRunner>> CommandRunner::start(CommandRunnerOptions options, Detonator& detonator,
                                                            Outbox& outbox) {
  auto desk = TRY(command::CommandDesk::open(options.folder, options.node, now()));
  std::set<CommandKind> kinds;
  if (options.detonate) kinds.insert(CommandKind::detonate);
  if (!options.fleet_file.empty()) kinds.insert(CommandKind::profile);
  if (!kinds.empty()) desk.allow(std::move(kinds), "this node takes no such orders");
  std::unique_ptr<CommandRunner> runner(new CommandRunner(std::move(options), detonator, outbox, std::move(desk)));
  runner->thread_ = std::thread([raw = runner.get()] { raw->run(); });
  return runner;
}

CommandRunner::CommandRunner(CommandRunnerOptions options, Detonator& detonator, Outbox& outbox,
                             command::CommandDesk desk)
    : options_(std::move(options)), detonator_(detonator), outbox_(outbox), desk_(std::move(desk)) {
  if (!options_.detonate && options_.fleet_file.empty())
    desk_.allow({},
                "this node takes no orders of the collector's: [sandbox] from_collector is false in its agent.toml");
}

CommandRunner::~CommandRunner() { stop(); }

void CommandRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (worker_.joinable()) worker_.join();
}

void CommandRunner::take(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    ++counts_.messages;
    if (inbox_bytes_ + message.size() > inbox_bytes_max) {
      ++counts_.dropped;
      return;
    }
    inbox_bytes_ += message.size();
    inbox_.push_back(std::move(message));
  }
  wake_.notify_all();
}

void CommandRunner::set_key(const PublicKey& key) {
  const std::lock_guard lock(mutex_);
  key_ = key;
}

CommandRunner::Counts CommandRunner::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void CommandRunner::run() {
  auto next_tick = std::chrono::steady_clock::now();
  uint64_t left = messages_per_s;  // until the next tick
  for (;;) {
    std::optional<std::string> message;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, next_tick, [&] { return stopping_ || (!inbox_.empty() && left > 0); });
      if (stopping_) return;
      if (!inbox_.empty() && left > 0) {
        message = std::move(inbox_.front());
        inbox_.pop_front();
        inbox_bytes_ -= message->size();
        --left;
      }
    }
    if (message) judge(*message);
    if (std::chrono::steady_clock::now() >= next_tick) {
      next_tick = std::chrono::steady_clock::now() + 1s;
      left = messages_per_s;
      command::CommandDesk::Outcome out;
      {
        const std::lock_guard lock(desk_mutex_);
        desk_.tick(now(), out);
      }
      tell(out);
    }
    begin_next();
  }
}

void CommandRunner::judge(const std::string& message) {
  std::optional<PublicKey> key;
  {
    const std::lock_guard lock(mutex_);
    key = key_;
  }
  if (!key) return;  // whose order it is cannot be told yet; it is sent again
  command::CommandDesk::Outcome out;
  {
    const std::lock_guard lock(desk_mutex_);
    desk_.take(message, *key, now(), out);
  }
  tell(out);
}

void CommandRunner::tell(const command::CommandDesk::Outcome& out) {
  for (const CommandNews& news : out.news) outbox_.put(news_event(news));
  for (const command::Refusal& refusal : out.refusals) {
    Outbox::Item item;
    item.alert = refusal_alert(refusal);
    item.raise = true;
    outbox_.put(std::move(item));
  }
  const std::lock_guard lock(mutex_);
  counts_.refused += out.refusals.size();
}

void CommandRunner::begin_next() {
  command::CommandDesk::Outcome out;
  std::optional<command::Order> order;
  {
    const std::lock_guard lock(desk_mutex_);
    if (busy_) return;
    order = desk_.next(CommandKind::detonate, now(), out);
    if (!order) order = desk_.next(CommandKind::profile, now(), out);
    busy_ = order.has_value();
  }
  tell(out);
  if (!order) return;
  if (worker_.joinable()) worker_.join();
  worker_ = std::thread([this, moved = std::move(*order)]() mutable { carry_out(std::move(moved)); });
}

void CommandRunner::carry_out(command::Order order) {
  const auto done = order.header.kind == CommandKind::profile ? take_profiles(order) : detonate(order);
  command::CommandDesk::Outcome out;
  {
    const std::lock_guard lock(desk_mutex_);
    desk_.finish(order.header.id, done ? CommandState::done : CommandState::failed, done ? *done : done.error().message,
                 out);
    busy_ = false;
  }
  tell(out);
  wake_.notify_all();
}

// The order is signed already; the file is kept as it is, for it is checked again each time it is read.
Result<std::string> CommandRunner::take_profiles(const command::Order& order) {
  std::optional<PublicKey> key;
  {
    const std::lock_guard lock(mutex_);
    key = key_;
  }
  if (!key) return Error{"the collector's key is not there"};
  std::string bytes(order.header.body_bytes, '\0');
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::pread(order.body.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno_error("the command's body") : Error{"the command's body is cut"};
    at += static_cast<size_t>(n);
  }
  const auto profiles = TRY(open_profiles(bytes, *key, fleet_limits, ProfileSeal::fleet));
  TRY_VOID(write_file_atomic(options_.fleet_file, bytes, 0600));
  const std::lock_guard lock(mutex_);
  ++counts_.profiles;
  return std::to_string(profiles.size()) + " programs' profiles taken";
}

Result<std::string> CommandRunner::detonate(const command::Order& order) {
  const int bundle = order.body.get();
  std::string begin(static_cast<size_t>(std::min<uint64_t>(order.header.body_bytes, bundle_head_max_bytes)), '\0');
  const ssize_t n = ::pread(bundle, begin.data(), begin.size(), 0);
  if (n < 0) return errno_error("the command's body");
  begin.resize(static_cast<size_t>(n));
  const BundleHead head = TRY(open_bundle(begin, order.header.body_bytes));
  sandbox::Job job = TRY(sandbox::job_from_json(head.text));
  if (job.id != order.header.id) return Error{"the job's id is not that of its command"};
  job.caller = "collector";
  const size_t needed = 1 + (job.has_input ? 1 : 0) + job.files.size();
  if (head.files.size() != needed)
    return Error{"a job with " + std::to_string(needed) + " files came with " + std::to_string(head.files.size())};
  sandbox::JobFiles files;
  const std::string path = options_.folder + "/" + job.id + ".file";
  size_t next = 0;
  files.program = TRY(extract(bundle, head.files[next++], path));
  if (job.has_input) files.input = TRY(extract(bundle, head.files[next++], path));
  for (size_t i = 0; i < job.files.size(); ++i) files.files.push_back(TRY(extract(bundle, head.files[next++], path)));
  const sandbox::Report report = TRY(detonator_.run(job, files, {}));
  return std::string(sandbox::status_name(report.status));
}

}  // namespace shrike::agent
