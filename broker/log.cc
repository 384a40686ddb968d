#include "broker/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace chorale {

void OpenLog(const std::string& file) {
  auto log =
      file.empty() ? spdlog::stdout_color_mt("chorale") : spdlog::basic_logger_mt("chorale", file);
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  log->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(log));
}

// "verbose" is spdlog's debug: what the broker says about single connections.
void SetLogLevel(int64_t level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::trace, spdlog::level::debug,
                                                   spdlog::level::info, spdlog::level::warn};
  spdlog::set_level(kLevels[level]);
}

}  // namespace chorale
