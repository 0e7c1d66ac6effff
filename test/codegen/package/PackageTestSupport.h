//===- PackageTestSupport.h - Files and commands for the tests --*- C++ -*-===//
//
// A directory that goes away with the test, and running shell commands.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_CODEGEN_PACKAGE_PACKAGETESTSUPPORT_H
#define STOOP_TEST_CODEGEN_PACKAGE_PACKAGETESTSUPPORT_H

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>

namespace stoop::test {

/// A fresh directory, removed with its content at the end of the test.
class TestDirectory {
public:
  TestDirectory() {
    char pattern[] = "/tmp/stoop-package-test-XXXXXX";
    path = mkdtemp(pattern);
  }
  ~TestDirectory() { std::system(("chmod -R u+rwX " + path + " && rm -rf " + path).c_str()); }
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  /// Names of the entries, joined by blanks.
  std::string entries() const {
    std::string all;
    for (const auto &entry : std::filesystem::directory_iterator(path))
      all += (all.empty() ? "" : " ") + entry.path().filename().string();
    return all;
  }
  std::string path;
};

inline std::string readFile(const std::string &path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

inline void writeFile(const std::string &path, const std::string &content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// Exit code and standard output of a shell command; -signal when it was killed.
struct CommandResult {
  int code;
  std::string output;
};

inline CommandResult runCommand(const std::string &command) {
  CommandResult result{-1, ""};
  FILE *pipe = popen(command.c_str(), "r");
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof buffer, pipe))
    result.output.append(buffer, got);
  int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

} // namespace stoop::test

#endif
