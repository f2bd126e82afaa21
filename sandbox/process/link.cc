#include "sandbox/process/link.h"

#include "sandbox/seqpacket.h"

namespace shrike::sandbox::process {

Result<void> say(int link, Word word, std::string_view text, std::span<const int> fds) {
  std::string packet(1, static_cast<char>(word));
  packet += text.substr(0, link_text_max);
  return send_packet(link, packet, fds);
}

Result<std::optional<Heard>> hear(int link, bool wait) {
  auto packet = TRY(receive_packet(link, wait));
  if (!packet) return std::optional<Heard>{};
  const auto word = static_cast<uint8_t>(packet->text.empty() ? 0 : packet->text[0]);
  if (word < static_cast<uint8_t>(Word::go) || word > static_cast<uint8_t>(Word::failed))
    return Error{"link: what came is no word of ours"};
  Heard heard;
  heard.word = static_cast<Word>(word);
  heard.text = packet->text.substr(1);
  heard.fds = std::move(packet->fds);
  return std::optional<Heard>(std::move(heard));
}

}  // namespace shrike::sandbox::process
