// Runs the unit tests. What the code under test logs is shown where a test fails, and nowhere else:
// hundreds of errors that tests provoke would hide the one line that names the failed test.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

namespace {

constexpr size_t kLinesKept = 200;

class LogOfFailedTests : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo&) override {
    lines_ = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kLinesKept);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("tests", lines_));
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    if (!test.result()->Failed()) return;
    std::printf("%s.%s logged:\n", test.test_suite_name(), test.name());
    for (const std::string& line : lines_->last_formatted()) std::printf("  %s", line.c_str());
    std::fflush(stdout);
  }

 private:
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new LogOfFailedTests);
  return RUN_ALL_TESTS();
}
