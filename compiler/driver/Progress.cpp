//===- Progress.cpp - what a long step does, how far, how long ------------===//
//
// A painter thread per step sleeps until the step is two seconds old, then draws
// at intervals: the work itself never waits for the terminal.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstdlib>
#include <unistd.h>

namespace stoop::driver {

using namespace std::chrono_literals;

static constexpr auto patience = 2000ms;

ProgressStyle ProgressStyle::detect(bool quiet) {
  ProgressStyle style;
  style.quiet = quiet;
  style.terminal = ::isatty(STDERR_FILENO);
  const char *noColor = std::getenv("NO_COLOR");
  style.color = style.terminal && !(noColor && *noColor);
  return style;
}

static std::string amount(uint64_t value, bool bytes) {
  if (!bytes)
    return std::to_string(value);
  std::string text;
  llvm::raw_string_ostream stream(text);
  double size = static_cast<double>(value);
  const char *const units[] = {"B", "KiB", "MiB", "GiB"};
  int unit = 0;
  for (; size >= 1024 && unit < 3; ++unit)
    size /= 1024;
  stream << llvm::format(unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
  return text;
}

static std::string duration(double seconds) {
  auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole < 100)
    return std::to_string(whole) + " s";
  if (whole < 6000)
    return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string progressLine(llvm::StringRef what, uint64_t done, uint64_t total, bool bytes,
                         double elapsedSeconds, double limitSeconds) {
  if (total == 0)
    return what.str() + (done ? " " + amount(done, bytes) : "") + ", " + duration(elapsedSeconds) +
           " so far";
  done = std::min(done, total);
  std::string line = what.str() + " " + amount(done, bytes) + " of " + amount(total, bytes) + " (" +
                     std::to_string(done * 100 / total) + " %)";
  if (done == 0)
    return line + ", " + duration(elapsedSeconds) + " so far";
  double left = elapsedSeconds * static_cast<double>(total - done) / static_cast<double>(done);
  if (limitSeconds > 0)
    left = std::min(left, std::max(limitSeconds - elapsedSeconds, 0.0));
  return line + ", " + duration(left) + " left";
}

ProgressStep::ProgressStep(const ProgressStyle &style, std::string what, uint64_t total, bool bytes, double limitSeconds)
    : style(style), what(std::move(what)), bytes(bytes), limitSeconds(limitSeconds), total(total) {
  if (!style.quiet)
    painter = std::thread([this] { show(); });
}

ProgressStep::~ProgressStep() {
  if (!painter.joinable())
    return;
  {
    std::lock_guard<std::mutex> lock(mutex);
    finished = true;
  }
  wake.notify_all();
  painter.join();
  if (drawn && style.terminal)
    llvm::errs() << "\r\x1b[K";
}

void ProgressStep::advance(uint64_t newDone, uint64_t newTotal) {
  if (newTotal)
    total = newTotal;
  // Threads may report out of order; progress never goes back.
  for (uint64_t old = done; old < newDone && !done.compare_exchange_weak(old, newDone);) {
  }
}

void ProgressStep::show() {
  auto interval = style.terminal ? 200ms : 5000ms;
  auto next = start + patience;
  std::unique_lock<std::mutex> lock(mutex);
  while (!wake.wait_until(lock, next, [this] { return finished; })) {
    draw(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    next += interval;
  }
}

void ProgressStep::draw(double elapsedSeconds) {
  std::string line = progressLine(what, done, total, bytes, elapsedSeconds, limitSeconds);
  drawn = true;
  if (!style.terminal) {
    llvm::errs() << line << "\n";
    return;
  }
  constexpr unsigned width = 20;
  std::string bar;
  if (uint64_t all = total) {
    unsigned full = static_cast<unsigned>(std::min<uint64_t>(done, all) * width / all);
    bar = "[" + std::string(full, '#') + std::string(width - full, '.') + "] ";
    if (style.color)
      bar = "\x1b[36m" + bar + "\x1b[0m";
  }
  llvm::errs() << "\r\x1b[K" << bar << line;
}

} // namespace stoop::driver
