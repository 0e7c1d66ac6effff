//===- Progress.h - what a long step does, how far, how long ----*- C++ -*-===//
//
// Steps shorter than two seconds show nothing. A longer one shows a bar when
// standard error is a terminal, else a plain line every few seconds; both say
// what is done, how far it is and how long it will take. Nothing but standard
// error is ever written.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_PROGRESS_H
#define STOOP_COMPILER_DRIVER_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace stoop::driver {

/// How to show progress.
struct ProgressStyle {
  bool quiet = false;
  bool terminal = false; ///< redraw one line
  bool color = false;

  /// What standard error and NO_COLOR ask for.
  static ProgressStyle detect(bool quiet);
};

/// One line of text for a step: "packing weights 512.0 MiB of 2.6 GiB (19 %), 12 s left".
/// `total` 0: unknown. `bytes`: amounts are bytes. `limitSeconds`: when the step ends whatever is left; 0: never.
std::string progressLine(llvm::StringRef what, uint64_t done, uint64_t total, bool bytes,
                         double elapsedSeconds, double limitSeconds = 0);

/// Shows one step while it lives. advance() may be called from any thread.
class ProgressStep {
public:
  /// `total` in items, or bytes when `bytes`; 0 when it is not known beforehand.
  /// `limitSeconds`: after which it ends at the latest; 0: it has no limit.
  ProgressStep(const ProgressStyle &style, std::string what, uint64_t total, bool bytes = false, double limitSeconds = 0);
  ~ProgressStep();
  ProgressStep(const ProgressStep &) = delete;
  ProgressStep &operator=(const ProgressStep &) = delete;

  /// Sets how much is done, and the total if it has become known.
  void advance(uint64_t done, uint64_t newTotal = 0);

private:
  void show();
  void draw(double elapsedSeconds);

  const ProgressStyle style;
  const std::string what;
  const bool bytes;
  const double limitSeconds;
  std::atomic<uint64_t> done = 0, total;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  bool drawn = false, finished = false;
  std::mutex mutex;
  std::condition_variable wake;
  std::thread painter; ///< last: uses everything above
};

} // namespace stoop::driver

#endif
