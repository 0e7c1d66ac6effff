// stdout, stderr, Ctrl-C and progress of the command-line program.
// Invariant: results go to stdout, everything else to stderr; a bar only on a terminal.
#ifndef STOOP_RUNTIME_APP_CONSOLE_H_
#define STOOP_RUNTIME_APP_CONSOLE_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace stoop::app {

// Ends the command with a message and an exit code.
class Failure : public std::runtime_error {
 public:
  Failure(int exit_code, const std::string& message)
      : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// The reader of stdout has gone (`| head`): the command ends quietly with success.
struct OutputClosed {};

// Ctrl-C and SIGTERM set a flag, and a second one kills; SIGPIPE becomes an error of write(); SIGBUS,
// which a cut-off file causes, ends with a message.
void install_signal_handlers();
bool interrupted();

// While one lives, an interrupt ends the program at once: for long work that looks at no flag and leaves nothing
// half done.
class EndOnInterrupt {
 public:
  EndOnInterrupt();
  ~EndOnInterrupt();
  EndOnInterrupt(const EndOnInterrupt&) = delete;
  EndOnInterrupt& operator=(const EndOnInterrupt&) = delete;
};

// Seconds of the monotonic clock.
double seconds_now();

// Text from a checkpoint as a terminal may see it: control characters as escapes (\x1b).
std::string printable(std::string_view text);
// Writes to stdout at once. Throws OutputClosed or Failure (disk full).
void write_out(std::string_view text);
// Writes a line to stderr; allocates nothing.
void write_error(std::string_view line);

// Progress of one piece of work: silent for two seconds, then a bar on a terminal or a line every ten
// seconds elsewhere, with the share done and the time left.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Cheap enough to call often; 0 `done` starts the clock anew.
  void update(uint64_t done, uint64_t total, const char* unit);

 private:
  std::string what_;
  double start_, shown_ = 0;
  bool terminal_, drawn_ = false;
};

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_CONSOLE_H_
