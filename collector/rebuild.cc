#include "collector/rebuild.h"

#include "collector/findings.h"
#include "collector/profiles.h"
#include "collector/verifier.h"

namespace shrike::collector {
namespace {

constexpr uint64_t records_per_commit = 2000;

class Rebuild {
 public:
  Rebuild(Index& index, const NodeKeys& keys) : index_(index), keys_(keys), serial_(index.serial()) {}

  Result<void> add(const Record& record) {
    if (record.damage != Damage::none) return skip(record, "damaged record");
    return record.kind == RecordKind::batch ? add_batch(record) : add_finding(record);
  }
  uint64_t serial() const { return serial_; }
  CaughtUp report;

 private:
  Result<void> skip(const Record& record, const std::string& why) {
    if (report.skipped++ == 0)
      report.first_skipped =
          "segment " + std::to_string(record.at.segment) + ", offset " + std::to_string(record.at.offset) + ": " + why;
    return {};
  }

  Result<void> add_batch(const Record& record) {
    auto batch = open_batch(record.bytes);
    if (!batch) return skip(record, batch.error().message);
    const BatchHeader& header = batch->header;
    if (const auto key = keys_.find(header.node); key != keys_.end() && !verify_signature(*batch, key->second))
      return skip(record, "node " + header.node + ", lane " + std::string(lane_name(header.lane)) + ", seq " +
                              std::to_string(header.seq) + ": its signature does not fit");
    ChainHead& head = heads_[{header.node, header.lane}];
    const ChainHead before = head;
    head.boot = header.boot;
    head.seq = header.seq;
    head.hash = header.drop ? header.drop->last_hash : batch->hash;
    head.hash_known = !header.drop || header.drop->last_hash != Digest{};
    BatchRow row = row_of(*batch, before, head, record.received_ns);
    row.serial = ++serial_;
    row.at = record.at;
    row.size = record.size;
    row.unlinked = before.seq != 0 && before.boot != header.boot && header.previous != before.hash;
    if (!TRY(index_.add_batch(row))) return {};
    ++report.batches;
    if (header.count == 0) return {};
    auto payload = open_payload(*batch);
    if (!payload) return skip(record, payload.error().message);
    if (header.lane != Lane::alerts) {
      for (const ProfileRow& profile : profiles_of(header, *payload, record.received_ns))
        TRY_VOID(index_.add_profile(profile, row.serial));
      return add_detonations(header, *payload);
    }
    uint64_t unread = 0;
    for (Alert& alert : alerts_of(header, *payload, record.received_ns, unread)) {
      std::string json = alert_to_json(alert);
      TRY_VOID(index_.add_alert({++serial_, std::move(alert), std::move(json)}));
      ++report.alerts;
    }
    return {};
  }

  Result<void> add_detonations(const BatchHeader& header, const OpenPayload& payload) {
    std::vector<DetonationRow> detonations;
    std::vector<CommandNews> commands;  // kept apart, in what is not made again
    notes_of(header, payload, detonations, commands);
    for (DetonationRow& row : detonations) {
      row.serial = ++serial_;
      TRY_VOID(index_.add_detonation(row));
    }
    return {};
  }

  Result<void> add_finding(const Record& record) {
    auto finding = open_finding(record.bytes);
    if (!finding) return skip(record, finding.error().message);
    ++report.findings;
    if (finding->alert) {
      std::string json = alert_to_json(*finding->alert);
      TRY_VOID(index_.add_alert({++serial_, std::move(*finding->alert), std::move(json)}));
    }
    if (finding->verdict) {
      finding->verdict->serial = ++serial_;
      TRY_VOID(index_.add_verdict(*finding->verdict));
    }
    return {};
  }

  Index& index_;
  const NodeKeys& keys_;
  uint64_t serial_;
  std::map<std::pair<std::string, Lane>, ChainHead> heads_;
};

}  // namespace

Result<CaughtUp> catch_up(Index& index, const std::string& segments_dir, const NodeKeys& keys,
                          const std::function<void(uint64_t)>& progress) {
  SegmentReader reader = TRY(SegmentReader::open(segments_dir, index.position()));
  Rebuild rebuild(index, keys);
  uint64_t in_transaction = 0;
  Position end = index.position();
  const auto fill = [&]() -> Result<void> {
    for (auto record = TRY(reader.next()); record; record = TRY(reader.next())) {
      if (in_transaction == 0) TRY_VOID(index.begin());
      TRY_VOID(rebuild.add(*record));
      end = {record->at.segment, record->at.offset + record->size};
      if (++in_transaction < records_per_commit) continue;
      TRY_VOID(index.commit(end, rebuild.serial()));
      in_transaction = 0;
      progress(end.segment);
    }
    if (in_transaction > 0) TRY_VOID(index.commit(end, rebuild.serial()));
    return {};
  };
  if (auto filled = fill(); !filled) {
    index.rollback();
    return filled.error();
  }
  return rebuild.report;
}

}  // namespace shrike::collector
