#include "sandbox/serve_words.h"

#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/channel.h"
#include "sandbox/json_object.h"
#include "sandbox/seqpacket.h"

namespace shrike::sandbox {

Result<void> send_word(int socket, const ServeWord& word, int fd) {
  const std::string text = dump_json({{"kind", static_cast<unsigned>(word.kind)},
                                      {"caller", word.caller},
                                      {"id", word.id},
                                      {"text", word.text.substr(0, 4096)},
                                      {"cpu_ns", word.usage.cpu_ns},
                                      {"bytes", word.usage.bytes},
                                      {"verdict", word.verdict}});
  return send_packet(socket, text, {&fd, fd >= 0 ? 1u : 0u});
}

Result<std::optional<std::pair<ServeWord, Fd>>> receive_word(int socket) {
  auto packet = TRY(receive_packet(socket, true));
  if (!packet) return std::optional<std::pair<ServeWord, Fd>>{};
  const auto value = TRY(parse_json(packet->text, "word"));
  ServeWord word;
  JsonObject object(value, "word");
  uint8_t kind = 0;
  object.small("kind", kind, static_cast<uint8_t>(ServeWord::Kind::kept));
  object.text("caller", word.caller, 128);
  object.text("id", word.id, 64);
  object.text("text", word.text, 3 * 4096);
  object.number("cpu_ns", word.usage.cpu_ns);
  object.number("bytes", word.usage.bytes);
  object.small("verdict", word.verdict, static_cast<uint8_t>(Ledger::Answer::refused));
  TRY_VOID(object.finish(true));
  word.kind = static_cast<ServeWord::Kind>(kind);
  Fd fd = packet->fds.empty() ? Fd() : std::move(packet->fds.front());
  return std::optional(std::pair(std::move(word), std::move(fd)));
}

Result<std::string> text_of_fd(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return errno_error("report");
  if (st.st_size < 0 || static_cast<size_t>(st.st_size) > frame_payload_max) return Error{"report: is too large"};
  std::string text(static_cast<size_t>(st.st_size), '\0');
  if (::pread(fd, text.data(), text.size(), 0) != st.st_size) return errno_error("report");
  return text;
}

}  // namespace shrike::sandbox
