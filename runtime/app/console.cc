// Console of the command-line program, on plain file descriptors.
#include "runtime/app/console.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/app/options.h"

namespace stoop::app {
namespace {

// A signal handler can reach nothing but a global.
volatile sig_atomic_t interrupt_requested = 0, end_on_interrupt = 0;

void on_interrupt(int) {
  interrupt_requested = 1;
  if (!end_on_interrupt) return;
  static const char message[] = "error: interrupted\n";
  ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
  (void)ignored;
  _exit(kExitInterrupted);
}

void on_bus_error(int) {
  static const char message[] =
      "error: a part of the program's file could not be read: it is cut off or its disk failed\n";
  ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
  (void)ignored;
  _exit(kExitBadInput);
}

std::string clock_text(double seconds) {
  unsigned whole = seconds < 0 ? 0 : static_cast<unsigned>(seconds + 0.5);
  char text[32];
  if (whole >= 3600)
    snprintf(text, sizeof text, "%uh%02um", whole / 3600, whole / 60 % 60);
  else if (whole >= 60)
    snprintf(text, sizeof text, "%um%02us", whole / 60, whole % 60);
  else
    snprintf(text, sizeof text, "%us", whole);
  return text;
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one kills
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = on_bus_error;
  sigaction(SIGBUS, &action, nullptr);
  action.sa_handler = SIG_IGN;
  action.sa_flags = 0;
  sigaction(SIGPIPE, &action, nullptr);
}

bool interrupted() { return interrupt_requested != 0; }

EndOnInterrupt::EndOnInterrupt() { end_on_interrupt = 1; }
EndOnInterrupt::~EndOnInterrupt() { end_on_interrupt = 0; }

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string printable(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    const bool is_c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (is_c1) c = static_cast<unsigned char>(text[++i]);
    char escape[8];
    snprintf(escape, sizeof escape, "\\x%02x", c);
    is_c1 || c < 0x20 || c == 0x7f ? shown += escape : shown += static_cast<char>(c);
  }
  return shown;
}

void write_out(std::string_view text) {
  while (!text.empty()) {
    ssize_t wrote = write(STDOUT_FILENO, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<size_t>(wrote));
    } else if (errno == EPIPE) {
      throw OutputClosed();
    } else if (errno != EINTR && errno != EAGAIN) {
      throw Failure(kExitBadInput, std::string("cannot write to stdout: ") + strerror(errno));
    }
  }
}

void write_error(std::string_view line) {
  char newline = '\n';
  iovec parts[] = {{const_cast<char*>(line.data()), line.size()}, {&newline, 1}};
  ssize_t ignored = writev(STDERR_FILENO, parts, 2);
  (void)ignored;
}

Progress::Progress(std::string what)
    : what_(std::move(what)), start_(seconds_now()), terminal_(isatty(STDERR_FILENO) != 0) {}

void Progress::update(uint64_t done, uint64_t total, const char* unit) {
  const double now = seconds_now();
  if (done == 0) start_ = now;
  const double spent = now - start_;
  if (spent < 2 || total == 0 || now - shown_ < (terminal_ ? 0.2 : 10)) return;
  shown_ = now;
  double left = done ? spent * static_cast<double>(total - done) / static_cast<double>(done) : 0;
  char counts[96];
  snprintf(counts, sizeof counts, "%llu of %llu %s (%d %%), %s", static_cast<unsigned long long>(done),
           static_cast<unsigned long long>(total), unit,
           static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total)),
           done ? (clock_text(left) + " left").c_str() : "starting");
  if (!terminal_) return write_error(what_ + ": " + counts);
  constexpr unsigned kWidth = 24;
  unsigned filled = static_cast<unsigned>(kWidth * done / total);
  std::string line = "\r" + what_ + " [" + std::string(filled, '#') +
                     std::string(kWidth - filled, '.') + "] " + counts + "\x1b[K";
  ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
  (void)ignored;
  drawn_ = true;
}

Progress::~Progress() {
  static const char clear[] = "\r\x1b[K";
  if (!drawn_) return;
  ssize_t ignored = write(STDERR_FILENO, clear, sizeof clear - 1);
  (void)ignored;
}

}  // namespace stoop::app
