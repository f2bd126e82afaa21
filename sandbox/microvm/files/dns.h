#pragma once
// Names of the guest's Internet: every one has an address, and every address given out is remembered with its name.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shrike::sandbox::microvm {

/// Addresses of 198.18.0.0/15 (RFC 2544: nobody's on the Internet) for names, in the order in which they were asked
/// for.
class NameBook {
 public:
  static constexpr size_t names_max = 4096;
  /// In host byte order. The name as text, without regard to case; beyond names_max all have one address.
  uint32_t address_of(std::string_view name);
  /// Empty for what was not given out.
  [[nodiscard]] std::string name_of(uint32_t address) const;

 private:
  std::map<std::string, uint32_t, std::less<>> addresses_;
  std::vector<std::string> names_;
};

struct DnsQuestion {
  std::string name;  ///< labels with dots between; bytes that are no plain letters, digits, "-" or "_" as \DDD
  uint16_t type = 0, kind = 0;
  size_t end = 0;  ///< of the question in the message
};

/// The one question of a query (RFC 1035); nothing for what is not one, whole.
std::optional<DnsQuestion> dns_question(std::string_view message);
/// The answer: A with `address`, PTR with `pointer` (empty: no such name), nothing but success for all other types.
std::string dns_reply(std::string_view message, const DnsQuestion& question, uint32_t address,
                      std::string_view pointer);
/// The address that "7.0.18.198.in-addr.arpa" asks for.
std::optional<uint32_t> dns_reverse(std::string_view name);

}  // namespace shrike::sandbox::microvm
