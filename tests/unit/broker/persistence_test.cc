#include "broker/persistence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "broker/config.h"
#include "tests/unit/storage/persistence/persistence_fixture.h"

namespace chorale {
namespace {

class ReadingLogTest : public PersistenceFixture {
 protected:
  void SetUp() override {
    PersistenceFixture::SetUp();
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
  }
  void TearDown() override {
    spdlog::set_default_logger(before_);
    PersistenceFixture::TearDown();
  }

  std::ostringstream log_;

 private:
  std::shared_ptr<spdlog::logger> before_;
};

TEST_F(ReadingLogTest, SaysHowFarALongStartIsAndWhatItHasRead) {
  constexpr int kKeys = 50'000;
  {
    const Running store = Open("data");
    ASSERT_NE(store, nullptr);
    store->WithAll([](LockedKeys& keys) {
      for (int i = 0; i < kKeys; ++i) keys.SetInteger(0, std::to_string(i), 1);
    });
    ASSERT_TRUE(store->Stop().ok());
  }
  Config config;
  config.persistent = true;
  config.dir.set(Path("data"));
  Store store(static_cast<int>(config.databases.load()));
  LayerRegistry layers([] { return size_t{0}; });
  Persistence persistence;
  Persistence::Options options;
  options.on_progress = [] {};
  options.show_every = absl::ZeroDuration();
  ASSERT_TRUE(persistence.Open(config, store, layers, std::move(options)).ok());
  EXPECT_TRUE(persistence.Close().ok());
  // The estimate of the rows may be a little more than there are keys.
  EXPECT_THAT(log_.str(), testing::ContainsRegex(
                              "reading data: [0-9]+ keys, [0-9]+ rows of about 500[0-9][0-9], "
                              "[0-9]+\\.[0-9] MB, about [0-9]+ seconds left"));
  EXPECT_THAT(log_.str(), testing::HasSubstr("read 50000 keys"));
}

}  // namespace
}  // namespace chorale
