#include "broker/monitors.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "broker/back_pressure.h"
#include "broker/clock.h"
#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/public_arguments.h"

namespace chorale {
namespace {

// Quoted as redis-cli would show it.
void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    switch (c) {
      case '\\':
      case '"':
        out->push_back('\\');
        out->push_back(c);
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\a':
        out->append("\\a");
        break;
      case '\b':
        out->append("\\b");
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out->push_back(c);
        } else {
          fmt::format_to(std::back_inserter(*out), "\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  out->push_back('"');
}

void Show(const ClientInfo& monitor, const Frame& line) {
  const auto connection = monitor.connection.lock();
  if (connection == nullptr || connection->client().reply_mode != ReplyMode::kOn) return;
  connection->Deliver(line);
}

}  // namespace

void Monitors::Add(std::shared_ptr<ClientInfo> info) {
  info->monitor = true;
  absl::MutexLock lock(&mutex_);
  monitors_.push_back({std::move(info)});
  active_ = true;
}

void Monitors::Remove(ClientInfo& info) {
  info.monitor = false;
  absl::MutexLock lock(&mutex_);
  std::erase_if(monitors_, [&](const auto& monitor) { return monitor.client.get() == &info; });
  active_ = !monitors_.empty();
}

void Monitors::Feed(const CommandContext& context) {
  const int64_t now = UnixMicros();
  const bool script = context.origin == CommandContext::Origin::kScript;
  auto line = std::make_shared<std::string>(
      fmt::format("+{}.{:06} [{} {}]", now / 1000000, now % 1000000, context.db,
                  script ? "lua" : context.client.info->address));
  for (const std::string_view arg : PublicArguments(context.command, context.args)) {
    line->push_back(' ');
    AppendQuoted(arg, line.get());
  }
  line->append("\r\n");
  const Frame frame = std::move(line);
  absl::InlinedVector<IoThread*, 2> congested;
  {
    absl::MutexLock lock(&mutex_);
    for (Monitor& monitor : monitors_) {
      if (monitor.losing) continue;
      IoThread* thread = monitor.client->thread;
      monitor.losing = thread->overflowing();
      if (monitor.losing) {
        thread->Post([client = monitor.client] {
          if (const auto connection = client->connection.lock()) connection->DropAfterLoss();
        });
      } else {
        thread->Post([client = monitor.client, frame] { Show(*client, frame); }, frame->size());
      }
      if (thread->congested()) congested.push_back(thread);
    }
  }
  WaitForThreads(context.client.connection, congested);
}

}  // namespace chorale
