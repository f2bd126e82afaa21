#include "sandbox/job_files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace shrike::sandbox {

namespace {

constexpr int all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr size_t chunk_bytes = 1u << 20;

Result<Fd> memfd(const char* name) {
  Fd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return errno_error("memfd_create");
  return file;
}

Result<Fd> sealed(Fd file) {
  if (::fchmod(file.get(), 0555) != 0) return errno_error("memfd: fchmod");
  if (::fcntl(file.get(), F_ADD_SEALS, all_seals) != 0) return errno_error("memfd: seals");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("memfd: seek");
  return file;
}

/// Calls `take(bytes)` for all of a file, in pieces.
template <class Take>
Result<void> each_piece(int fd, Take take) {
  // Not cleared: of a small file most of it is never touched.
  const auto buffer = std::make_unique_for_overwrite<char[]>(chunk_bytes);
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(fd, buffer.get(), chunk_bytes, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read");
    if (got == 0) return {};
    TRY_VOID(take(std::string_view(buffer.get(), static_cast<size_t>(got))));
    at += got;
  }
}

}  // namespace

Result<Fd> sealed_bytes(std::string_view bytes, const char* name) {
  Fd file = TRY(memfd(name));
  TRY_VOID(write_all(file.get(), bytes));
  return sealed(std::move(file));
}

Result<Fd> sealed_copy(Fd file, const char* name, uint64_t limit) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return errno_error(name);
  if (!S_ISREG(st.st_mode)) return Error{std::string(name) + ": is no regular file"};
  const auto too_large = [&] {
    return Error{std::string(name) + ": is larger than " + std::to_string(limit) + " bytes"};
  };
  if (st.st_size > 0 && static_cast<uint64_t>(st.st_size) > limit) return too_large();
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) == (F_SEAL_WRITE | F_SEAL_SHRINK)) return file;
  Fd copy = TRY(memfd(name));
  uint64_t size = 0;
  // What grows meanwhile is cut off by the limit, not by what stat said.
  const auto done = each_piece(file.get(), [&](std::string_view piece) -> Result<void> {
    size += piece.size();
    if (size > limit) return too_large();
    return write_all(copy.get(), piece);
  });
  if (!done) return done.error().in(name);
  return sealed(std::move(copy));
}

Result<Fd> sealed_file(const std::string& path, uint64_t limit) {
  // Not to wait for a writer of a FIFO.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return errno_error(path);
  return sealed_copy(std::move(file), path.substr(path.rfind('/') + 1).substr(0, 200).c_str(), limit);
}

Result<std::string> sha256_of_file(int fd) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!hash || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) return Error{"sha256: OpenSSL refuses"};
  TRY_VOID(each_piece(fd, [&](std::string_view piece) -> Result<void> {
    if (EVP_DigestUpdate(hash.get(), piece.data(), piece.size()) != 1) return Error{"sha256: OpenSSL refuses"};
    return {};
  }));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(hash.get(), digest, &size) != 1) return Error{"sha256: OpenSSL refuses"};
  return hex({reinterpret_cast<const char*>(digest), size});
}

Result<JobFiles> job_files(const Job& job, std::vector<Fd> fds) {
  const size_t wanted = 1 + (job.has_input ? 1 : 0) + job.files.size();
  if (fds.size() != wanted)
    return Error{"job: " + std::to_string(fds.size()) + " descriptors came with it, " + std::to_string(wanted) +
                 " should"};
  JobFiles files;
  size_t at = 0;
  files.program = std::move(fds[at++]);
  if (job.has_input) files.input = std::move(fds[at++]);
  while (at < fds.size()) files.files.push_back(std::move(fds[at++]));
  return files;
}

}  // namespace shrike::sandbox
