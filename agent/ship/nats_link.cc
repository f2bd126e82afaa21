#include "agent/ship/nats_link.h"

#include <nats/nats.h>

#include <cstdlib>
#include <cstring>

#include "agent/ship/chain_state.h"
#include "common/wire/subjects.h"

namespace shrike::ship {
namespace {
constexpr int64_t connect_timeout_ms = 3000;
constexpr std::chrono::seconds quiet_wait{5};

Error nats_error(const std::string& what, natsStatus status) {
  const char* detail = nats_GetLastError(nullptr);
  std::string text = what + ": " + natsStatus_GetText(status);
  if (detail != nullptr && *detail != 0) text.append(" (").append(detail).append(")");
  return Error{std::move(text)};
}

Mailbox& box(void* closure) { return *static_cast<Mailbox*>(closure); }

void on_closed(natsConnection*, void* closure) {
  box(closure).post([](Mailbox& mailbox) { mailbox.news.closed = true; });
}
void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
  // Permission violations come here and nowhere else; the server's sentence names the subject.
  const char* detail = nullptr;
  natsConnection_GetLastError(connection, &detail);
  std::string text = natsStatus_GetText(status);
  if (detail != nullptr && *detail != 0) text.append(": ").append(detail);
  box(closure).post([&](Mailbox& mailbox) { mailbox.news.error = std::move(text); });
}
void on_subscription_done(void* closure) {
  box(closure).post([](Mailbox& mailbox) { ++mailbox.subscriptions_done; });
}
void on_ack(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  std::string bytes(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
  box(closure).post([&](Mailbox& mailbox) {
    // Cumulative: when there are too many, the oldest says least.
    if (mailbox.news.acks.size() == Mailbox::acks_max) mailbox.news.acks.pop_front();
    mailbox.news.acks.push_back(std::move(bytes));
  });
}
void on_command(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  std::string bytes(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
  box(closure).post([&](Mailbox& mailbox) {
    Mailbox::News& news = mailbox.news;
    // The newest goes: what is asked for again is in order.
    if (news.command_bytes + bytes.size() > Mailbox::command_bytes_max) {
      ++news.commands_dropped;
      return;
    }
    news.command_bytes += bytes.size();
    news.commands.push_back(std::move(bytes));
  });
}
/// JetStream's answer to a publish. Only a refusal means something: what counts is the collector's word.
void on_stored(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  const std::string_view subject = natsMsg_GetSubject(message);
  const std::string_view answer(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  std::optional<std::string> refusal;
  if (natsMsg_IsNoResponders(message))
    refusal = "no JetStream stream takes this subject";
  else if (answer.find("\"error\"") != std::string_view::npos)
    refusal = std::string(answer.substr(0, 256));
  const auto lane = lane_named(subject.substr(subject.rfind('.') + 1));
  natsMsg_Destroy(message);
  if (!refusal || !lane) return;
  box(closure).post([&](Mailbox& mailbox) { mailbox.news.refused[lane_index(*lane)] = std::move(refusal); });
}

natsStatus sign_nonce(char**, unsigned char** signature, int* size, const char* nonce, void* closure) {
  // A server that asks for no authentication gives no nonce; it does not look at the answer either.
  const Signature made = static_cast<const PrivateKey*>(closure)->sign(nonce != nullptr ? nonce : "");
  *signature = static_cast<unsigned char*>(std::malloc(made.size()));  // the library frees it
  if (*signature == nullptr) return NATS_NO_MEMORY;
  std::memcpy(*signature, made.data(), made.size());
  *size = static_cast<int>(made.size());
  return NATS_OK;
}

template <class T, void (*destroy)(T*)>
struct Destroyer {
  void operator()(T* object) const { destroy(object); }
};
using NatsOptions = std::unique_ptr<natsOptions, Destroyer<natsOptions, natsOptions_Destroy>>;
using Connection = std::unique_ptr<natsConnection, Destroyer<natsConnection, natsConnection_Destroy>>;
using Subscription = std::unique_ptr<natsSubscription, Destroyer<natsSubscription, natsSubscription_Destroy>>;
using Message = std::unique_ptr<natsMsg, Destroyer<natsMsg, natsMsg_Destroy>>;
}  // namespace

Mailbox::News Mailbox::take() {
  const std::lock_guard lock(mutex);
  const bool closed = news.closed;
  News taken = std::exchange(news, {});
  news.closed = closed;
  return taken;
}

struct NatsLink::Handles {
  NatsOptions options;
  Connection connection;
  Subscription acks;
  Subscription commands;
  Subscription stored;
  int subscriptions = 0;
};

NatsLink::NatsLink(Options options, std::shared_ptr<Mailbox> mailbox)
    : options_(std::move(options)), mailbox_(std::move(mailbox)), handles_(std::make_unique<Handles>()) {
  for (const Lane lane : both_lanes) {
    subjects_[lane_index(lane)] = batch_subject(lane, options_.node);
    replies_[lane_index(lane)] = "_INBOX." + options_.node + ".stored." + std::string(lane_name(lane));
  }
}
NatsLink::~NatsLink() { disconnect(); }

Result<std::unique_ptr<NatsLink>> NatsLink::create(Options options, std::shared_ptr<Mailbox> mailbox) {
  std::unique_ptr<NatsLink> link(new NatsLink(std::move(options), std::move(mailbox)));
  TRY_VOID(link->configure());
  return link;
}

Result<void> NatsLink::configure() {
  natsOptions* raw = nullptr;
  if (const natsStatus s = natsOptions_Create(&raw); s != NATS_OK) return nats_error("nats", s);
  handles_->options.reset(raw);
  natsStatus s = NATS_OK;
  const auto set = [&](natsStatus result) {
    if (s == NATS_OK) s = result;
  };
  set(natsOptions_SetURL(raw, options_.url.c_str()));
  set(natsOptions_SetName(raw, ("shrike-agent " + options_.node).c_str()));
  set(natsOptions_SetCustomInboxPrefix(raw, ("_INBOX." + options_.node).c_str()));
  // We connect again ourselves: the library gives up after two refusals of our credentials, which may be put right at
  // any time, and while it tries it tells nobody why it fails.
  set(natsOptions_SetAllowReconnect(raw, false));
  set(natsOptions_SetClosedCB(raw, on_closed, mailbox_.get()));
  set(natsOptions_SetErrorHandler(raw, on_error, mailbox_.get()));
  set(natsOptions_SetSendAsap(raw, true));
  set(natsOptions_SetWriteDeadline(raw, 5000));
  set(natsOptions_SetPingInterval(raw, 10000));
  set(natsOptions_SetMaxPingsOut(raw, 2));
  set(natsOptions_SetTimeout(raw, connect_timeout_ms));
  if (s != NATS_OK) return nats_error("nats.url '" + options_.url + "'", s);
  if (options_.nkey) {
    nkey_ = options_.nkey->public_key().nkey();
    if (s = natsOptions_SetNKey(raw, nkey_.c_str(), sign_nonce, &*options_.nkey); s != NATS_OK)
      return nats_error("nats nkey", s);
  }
  if (!options_.url.starts_with("tls://")) return {};
  s = natsOptions_SetSecure(raw, true);
  if (s == NATS_OK && !options_.ca_file.empty())
    s = natsOptions_LoadCATrustedCertificates(raw, options_.ca_file.c_str());
  if (s != NATS_OK) return nats_error("nats.ca_file '" + options_.ca_file + "'", s);
  return {};
}

Result<void> NatsLink::connect() {
  disconnect();
  natsConnection* raw = nullptr;
  natsStatus s = natsConnection_Connect(&raw, handles_->options.get());
  if (s != NATS_OK) return nats_error(options_.url, s);
  handles_->connection.reset(raw);
  connection_ = raw;
  const auto subscribe = [&](Subscription& to, const std::string& subject, natsMsgHandler handler) {
    natsSubscription* made = nullptr;
    if (s = natsConnection_Subscribe(&made, raw, subject.c_str(), handler, mailbox_.get()); s != NATS_OK) return;
    to.reset(made);
    if (natsSubscription_SetOnCompleteCB(made, on_subscription_done, mailbox_.get()) == NATS_OK)
      ++handles_->subscriptions;
  };
  subscribe(handles_->acks, ack_subject(options_.node), on_ack);
  if (s == NATS_OK) subscribe(handles_->stored, "_INBOX." + options_.node + ".stored.*", on_stored);
  if (s == NATS_OK && options_.commands) subscribe(handles_->commands, command_subject(options_.node), on_command);
  if (s == NATS_OK) return {};
  const Error error = nats_error(options_.url + ": subscribe", s);
  disconnect();
  return error;
}

void NatsLink::disconnect() {
  if (connection_ == nullptr) return;
  handles_->acks.reset();
  handles_->commands.reset();
  handles_->stored.reset();
  natsConnection_Close(handles_->connection.get());
  bool quiet = false;
  {
    std::unique_lock lock(mailbox_->mutex);
    quiet = mailbox_->wake.wait_for(lock, quiet_wait, [&] {
      return mailbox_->news.closed && mailbox_->subscriptions_done >= handles_->subscriptions;
    });
    mailbox_->news = {};
    mailbox_->subscriptions_done = 0;
  }
  handles_->subscriptions = 0;
  handles_->connection.reset();
  connection_ = nullptr;
  // A callback that may still come needs its mailbox: better never freed than freed under it.
  if (!quiet) new std::shared_ptr<Mailbox>(mailbox_);
}

std::string NatsLink::last_error() const {
  const char* text = nullptr;
  if (connection_ != nullptr) natsConnection_GetLastError(handles_->connection.get(), &text);
  return text == nullptr ? std::string() : std::string(text);
}

Result<void> NatsLink::publish(Lane lane, const std::string& id, std::string_view bytes) {
  const size_t i = lane_index(lane);
  natsMsg* raw = nullptr;
  natsStatus s =
      natsMsg_Create(&raw, subjects_[i].c_str(), replies_[i].c_str(), bytes.data(), static_cast<int>(bytes.size()));
  const Message message(raw);
  if (s == NATS_OK) s = natsMsgHeader_Set(raw, "Nats-Msg-Id", id.c_str());
  if (s == NATS_OK) s = natsConnection_PublishMsg(handles_->connection.get(), raw);
  if (s != NATS_OK) return nats_error("publish " + id, s);
  return {};
}

}  // namespace shrike::ship
