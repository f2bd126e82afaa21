#include "collector/command_sender.h"

#include <openssl/rand.h>

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

using namespace std::chrono_literals;

constexpr auto alive_for = 15s;         // after a node's last batch; agents send one every ten seconds
constexpr auto offer_alive_every = 3s;  // until the node has it
constexpr auto offer_away_every = 30s;
constexpr auto ask_every = 60s;       // whether what is on the node's disk has come to an end
constexpr auto round_every = 1000ms;  // without anything to do
constexpr auto pause = 50ms;          // between portions
// A portion: the bus's room for one client is not filled, and neither is the agent's.
constexpr size_t portion_bytes = 4u << 20;
constexpr size_t small_body_bytes = 64u << 10;  // goes with the offer

std::string new_id() {
  unsigned char random[8];
  if (RAND_bytes(random, sizeof random) != 1) return "";
  return hex({reinterpret_cast<const char*>(random), sizeof random});
}

}  // namespace

Result<std::unique_ptr<CommandSender>> CommandSender::open(Options options) {
  CommandStore store = TRY(CommandStore::open(options.path));
  return std::unique_ptr<CommandSender>(new CommandSender(std::move(options), std::move(store)));
}

CommandSender::~CommandSender() { stop(); }

void CommandSender::start() {
  thread_ = std::thread([this] { run(); });
}

void CommandSender::stop() {
  {
    const std::lock_guard lock(inbox_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<CommandSender::Added> CommandSender::add(const NewCommand& command, uint64_t now_ns) {
  CommandHeader header;
  header.node = command.node;
  header.id = command.id.empty() ? new_id() : command.id;
  header.issued_ns = now_ns;
  header.expires_ns = now_ns + command.life_ns;
  header.kind = command.kind;
  header.collector = options_.collector;
  describe_body(header, command.body);
  TRY_VOID(check_command(header));
  const std::string sealed = seal_command(header, options_.key);
  const Digest digest = TRY(open_command(sealed, options_.key.public_key())).digest;
  const CommandRow row{header.id, header.node,       header.kind, "queued",          "",
                       now_ns,    header.expires_ns, now_ns,      header.body_bytes, digest};
  const bool at_once = is_alive(row.node) || header.body_bytes <= small_body_bytes;
  {
    const std::lock_guard lock(store_mutex_);
    if (const auto known = TRY(store_.find(row.id))) {
      std::string wanted;
      for (const Digest& part : header.parts) wanted += hex(as_bytes(part));
      const bool same = known->node == row.node && known->kind == row.kind && known->body_bytes == row.body_bytes &&
                        TRY(store_.body_digest(row.id)) == wanted;
      if (!same) return Error{"the id " + row.id + " is that of another command", EEXIST};
      return Added{*known, true};
    }
    TRY_VOID(store_.add(row, header, sealed, command.body));
    // A node that is there gets it all at once; to others only small ones are sent unasked.
    Plan& plan = plans_[row.id];
    if (!header.parts.empty() && at_once) plan.wanted = {{0, static_cast<uint32_t>(header.parts.size() - 1)}};
  }
  const std::lock_guard lock(inbox_mutex_);
  work_ = true;
  wake_.notify_all();
  return Added{row, false};
}

Result<std::vector<CommandRow>> CommandSender::list(const CommandQuery& query) {
  const std::lock_guard lock(store_mutex_);
  return store_.list(query);
}

bool CommandSender::is_alive(const std::string& node) {
  const std::lock_guard lock(inbox_mutex_);
  const auto at = heard_.find(node);
  return at != heard_.end() && Clock::now() - at->second < alive_for;
}

void CommandSender::heard(const std::string& node) {
  const std::lock_guard lock(inbox_mutex_);
  Clock::time_point& last = heard_[node];
  const auto now = Clock::now();
  const bool came_back = now - last >= alive_for;
  last = now;
  if (!came_back) return;
  returned_ = work_ = true;
  wake_.notify_all();
}

void CommandSender::news(const std::string& node, CommandNews news) {
  const std::lock_guard lock(inbox_mutex_);
  if (news_.size() >= news_max) return;
  news_.push_back({node, std::move(news)});
  work_ = true;
  wake_.notify_all();
}

void CommandSender::run() {
  for (;;) {
    std::vector<Message> out;
    bool more = false;
    {
      const std::lock_guard lock(store_mutex_);
      if (auto went = round(wall_now_ns(), out); !went && went.error().message != last_trouble_) {
        last_trouble_ = went.error().message;
        options_.note(true, "commands: " + last_trouble_);
      }
      more = std::any_of(plans_.begin(), plans_.end(), [](const auto& one) { return !one.second.wanted.empty(); });
    }
    // What does not leave is asked for, or offered, again.
    for (const Message& message : out) options_.send(message.node, message.bytes);
    std::unique_lock lock(inbox_mutex_);
    wake_.wait_for(lock, more ? pause : round_every, [&] { return stopping_ || (work_ && !more); });
    if (stopping_) return;
    work_ = false;
  }
}

Result<void> CommandSender::round(uint64_t now_ns, std::vector<Message>& out) {
  std::deque<NodeNews> news;
  bool returned = false;
  {
    const std::lock_guard lock(inbox_mutex_);
    news.swap(news_);
    std::swap(returned, returned_);
  }
  for (const NodeNews& one : news) TRY_VOID(take(one, now_ns));
  if (returned)
    for (auto& [id, plan] : plans_) plan.next = {};
  size_t budget = portion_bytes;
  for (const CommandRow& row : TRY(store_.open_rows())) TRY_VOID(serve(row, now_ns, budget, out));
  return {};
}

Result<void> CommandSender::take(const NodeNews& one, uint64_t now_ns) {
  const CommandNews& news = one.news;
  const auto found = TRY(store_.find(news.id));
  // After its end nothing changes a command: an old order, sent to its node once more by whoever has kept it, is
  // refused there, and that says nothing about what became of it.
  if (!found || found->node != one.node || found->digest != news.digest || found->kind != news.kind || found->over())
    return {};
  if (news.state == CommandState::incomplete) {
    if (!found->unsent()) return {};
    plans_[news.id].wanted = news.missing;
  }
  return change(*found, std::string(command_state_name(news.state)), news.reason, now_ns);
}

Result<void> CommandSender::change(CommandRow row, std::string state, std::string reason, uint64_t now_ns) {
  if (row.state == state && row.reason == reason) return {};
  row.state = std::move(state);
  row.reason = std::move(reason);
  row.updated_ns = now_ns;
  if (row.over() || row.state == "expired") plans_.erase(row.id);
  if (!row.unsent() && !row.over()) plans_[row.id] = {Clock::now() + ask_every, {}};
  return store_.set(row);
}

Result<void> CommandSender::serve(const CommandRow& row, uint64_t now_ns, size_t& budget, std::vector<Message>& out) {
  if (row.unsent() && now_ns >= row.expires_ns)
    return change(row, "expired", "the node did not take it before " + rfc3339(row.expires_ns), now_ns);
  Plan& plan = plans_[row.id];
  const auto now = Clock::now();
  const bool alive = is_alive(row.node);
  if (!plan.wanted.empty() && row.unsent()) {
    plan.next = now + offer_alive_every;
    return add_parts(row, plan, budget, out);
  }
  if (now < plan.next) return {};
  // What is on the node's disk already is asked after: its answer may have been lost with a full spool.
  plan.next = now + (!row.unsent() ? ask_every : alive ? offer_alive_every : offer_away_every);
  const std::string sealed = TRY(store_.sealed(row.id));
  if (row.unsent() && row.body_bytes > 0 && row.body_bytes <= small_body_bytes)
    out.push_back({row.node, command_message(sealed, 0, TRY(store_.part(row.id, 0)))});
  else
    out.push_back({row.node, command_offer(sealed)});
  return {};
}

Result<void> CommandSender::add_parts(const CommandRow& row, Plan& plan, size_t& budget, std::vector<Message>& out) {
  const std::string sealed = TRY(store_.sealed(row.id));
  while (!plan.wanted.empty() && budget > 0) {
    auto& [first, last] = plan.wanted.front();
    auto bytes = store_.part(row.id, first);
    if (!bytes) {
      plan.wanted.clear();  // asked for something that is not there: not again
      return bytes.error();
    }
    out.push_back({row.node, command_message(sealed, first, *bytes)});
    budget -= std::min(budget, bytes->size());
    if (first++ == last) plan.wanted.erase(plan.wanted.begin());
  }
  return {};
}

}  // namespace shrike::collector
