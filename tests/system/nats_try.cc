// Tries one thing with one NATS identity and says whether the server allowed it: exit 0 allowed, 1 refused, 2 could not
// tell. usage: tests_nats_try URL SEED_FILE CA_FILE publish|subscribe|purge|delete WHAT NODE

#include <nats/nats.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/wire/keys.h"
#include "common/wire/subjects.h"

namespace {

struct Owner {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  natsSubscription* subscription = nullptr;
  ~Owner() {
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
  }
};

int give_up(const char* what, natsStatus status) {
  std::printf("%s: %s\n", what, natsStatus_GetText(status));
  return 2;
}

std::string subject_of(const std::string& action, const std::string& what, const std::string& node) {
  if (action == "purge") return "$JS.API.STREAM.PURGE." + what;
  if (action == "delete") return "$JS.API.STREAM.DELETE." + what;
  if (what == "ack") return shrike::ack_subject(node);
  if (what == "all") return "shrike.v1.>";
  const auto lane = shrike::lane_named(what);
  return lane ? shrike::batch_subject(*lane, node) : std::string();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return give_up("usage: URL SEED CA ACTION WHAT NODE", NATS_INVALID_ARG);
  const auto key = shrike::PrivateKey::load_nkey(argv[2]);
  if (!key) {
    std::printf("%s\n", key.error().message.c_str());
    return 2;
  }
  const std::string action = argv[4];
  const std::string subject = subject_of(action, argv[5], argv[6]);
  Owner o;
  natsStatus status = natsOptions_Create(&o.options);
  if (status == NATS_OK) status = natsOptions_SetURL(o.options, argv[1]);
  if (status == NATS_OK) status = natsOptions_SetSecure(o.options, true);
  if (status == NATS_OK) status = natsOptions_LoadCATrustedCertificates(o.options, argv[3]);
  if (status == NATS_OK) {
    status = natsOptions_SetNKey(
        o.options, key->public_key().nkey().c_str(),
        [](char**, unsigned char** signature, int* length, const char* nonce, void* closure) {
          const shrike::Signature made = static_cast<const shrike::PrivateKey*>(closure)->sign(nonce);
          *signature = static_cast<unsigned char*>(malloc(made.size()));
          if (*signature == nullptr) return NATS_NO_MEMORY;
          std::copy(made.begin(), made.end(), *signature);
          *length = static_cast<int>(made.size());
          return NATS_OK;
        },
        const_cast<shrike::PrivateKey*>(&key.value()));
  }
  if (status == NATS_OK) status = natsConnection_Connect(&o.connection, o.options);
  if (status != NATS_OK) return give_up("connect", status);

  status = action == "subscribe" ? natsConnection_SubscribeSync(&o.subscription, o.connection, subject.c_str())
                                 : natsConnection_PublishString(o.connection, subject.c_str(), "not a batch");
  // The refusal comes before the answer to the flush, so that after it the last error tells.
  if (status == NATS_OK) status = natsConnection_FlushTimeout(o.connection, 10'000);
  const char* text = nullptr;
  const natsStatus last = natsConnection_GetLastError(o.connection, &text);
  if (last == NATS_NOT_PERMITTED || status == NATS_NOT_PERMITTED) {
    std::printf("%s: %s\n", subject.c_str(), text == nullptr ? "refused" : text);
    return 1;
  }
  if (status != NATS_OK) return give_up(subject.c_str(), status);
  return 0;
}
