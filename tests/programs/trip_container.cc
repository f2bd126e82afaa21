// What a container's runtime does, and no more: joins a cgroup, makes namespaces, puts an overlay over an image, and
// runs a program there as the namespace's first process, which it waits for. Copied to the name runc it looks like one.
//   trip_container CGROUP IMAGE [--terminal] [--address IPV4] PROGRAM ARGUMENT...
//     CGROUP   a folder of the cgroup file system, which is there already
//     IMAGE    a folder, seen read-only as the overlay's lower layer; it has the folders dev/shm, proc, tmp and .room
//   Nothing is left when it ends: the mounts are in its own namespace, the upper layer is in memory.

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void must(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  ::_exit(125);
}

void join(const std::string& cgroup) {
  const int fd = ::open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  must(fd >= 0 && ::write(fd, "0", 1) == 1, "cgroup");
  ::close(fd);
}

/// The loopback interface of a new network namespace, with one more address.
void bring_up(const char* address) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  must(::ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo");
  if (address != nullptr) {
    std::strcpy(request.ifr_name, "lo:1");
    sockaddr_in ip{};
    ip.sin_family = AF_INET;
    must(::inet_pton(AF_INET, address, &ip.sin_addr) == 1, "address");
    std::memcpy(&request.ifr_addr, &ip, sizeof ip);
    must(::ioctl(fd, SIOCSIFADDR, &request) == 0, "address");
  }
  ::close(fd);
}

void make_root(const std::string& image) {
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
  const std::string room = image + "/.room";
  must(::mount("tmpfs", room.c_str(), "tmpfs", 0, nullptr) == 0, "tmpfs");
  for (const char* folder : {"/upper", "/work", "/root"}) must(::mkdir((room + folder).c_str(), 0755) == 0, folder);
  const std::string options = "lowerdir=" + image + ",upperdir=" + room + "/upper,workdir=" + room + "/work";
  const std::string root = room + "/root";
  must(::mount("overlay", root.c_str(), "overlay", 0, options.c_str()) == 0, "overlay");
  must(::chdir(root.c_str()) == 0, "chdir");
  must(::mount("proc", "proc", "proc", 0, nullptr) == 0, "proc");
  must(::mount("tmpfs", "dev/shm", "tmpfs", 0, nullptr) == 0, "dev/shm");
  must(::syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
  must(::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0, "old root");
}

/// A terminal to control this session; nobody reads the other end, which only has to stay open.
void take_terminal() {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  must(master >= 0 && ::grantpt(master) == 0 && ::unlockpt(master) == 0, "terminal");
  const int slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  must(slave >= 0 && ::ioctl(slave, TIOCSCTTY, 0) == 0, "controlling terminal");
  for (int standard = 0; standard < 3; ++standard) ::dup2(slave, standard);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string cgroup = argv[1], image = argv[2];
  bool terminal = false;
  const char* address = nullptr;
  char** words = argv + 3;
  for (; *words != nullptr && std::strncmp(*words, "--", 2) == 0; ++words) {
    if (std::strcmp(*words, "--terminal") == 0)
      terminal = true;
    else if (std::strcmp(*words, "--address") == 0 && words[1] != nullptr)
      address = *++words;
    else
      return 2;
  }
  if (*words == nullptr) return 2;
  join(cgroup);
  must(::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) == 0, "unshare");
  const pid_t child = ::fork();
  must(child >= 0, "fork");
  if (child == 0) {
    must(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::setsid() > 0, "session");
    bring_up(address);
    if (terminal) take_terminal();
    make_root(image);
    char* const none[] = {nullptr};
    ::execve(words[0], words, none);
    must(false, words[0]);
  }
  int status = 0;
  must(::waitpid(child, &status, 0) == child, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
