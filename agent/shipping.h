#pragma once
// The end of the pipeline: events and alerts into the two lanes, onto the disk, to the collector.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/config.h"
#include "agent/pipeline.h"
#include "agent/status.h"
#include "common/base/result.h"
#include "common/wire/batch.h"
#include "common/wire/keys.h"

namespace shrike::agent {

/// What a node is known by. Made on first use, kept in the state folder.
struct Identity {
  std::string node;
  PrivateKey key;       ///< signs batches
  PrivateKey nats_key;  ///< NATS identity
};

/// Loads both keys, or makes them. Errors: the state folder cannot be made or a key file is not one.
Result<Identity> load_identity(const Config& config);

/// A Sink that seals, spools and publishes. Used by the loop thread only; the publisher has threads of its own.
class Shipping : public Sink {
 public:
  /// Opens the spool and goes on with its chain. Errors: another agent has the state folder; as the spool's.
  static Result<std::unique_ptr<Shipping>> open(const Config& config, Identity identity, const std::string& version);
  ~Shipping() override;

  void event(const Event& event) override;
  void alert(const Alert& alert) override;
  /// An event of the telemetry lane that is encoded already.
  void encoded_event(std::string_view event, uint64_t time_ns);

  /// What the next headers say.
  void set_policy(const std::string& digest);
  void set_losses(const Losses& losses);

  /// Seals alerts at once and telemetry when it is full or a second old. Call it after each round of records.
  /// Errors: the spool could not be written since the last call.
  Result<void> seal(bool all = false);

  /// Starts the threads that publish what the spool has. Errors: the collector's key file is broken (a missing one is
  /// none: it is looked for again), or the NATS options are.
  /// `on_command`: as PublisherOptions has it.
  Result<void> start_publishing(std::function<void(std::string)> on_command = {});
  /// Once a second: takes up the collector's key when it has come. Returns what was repaired or went wrong since.
  std::vector<std::string> look_after();
  /// Whether the collector's key is known.
  [[nodiscard]] bool can_be_acknowledged() const;
  /// That key, once it is there.
  [[nodiscard]] std::optional<PublicKey> collector_key() const;
  /// Waits at most `patience` for the collector to have everything, then stops the publisher.
  void stop(std::chrono::milliseconds patience);

  /// Fills lanes, sealed and publisher.
  void describe(Status& status) const;
  /// `outside` and what the spool itself lost, as the next header tells it.
  [[nodiscard]] Losses losses(const Losses& outside) const;

 private:
  struct Impl;
  explicit Shipping(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::agent
