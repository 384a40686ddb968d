#include "broker/back_pressure.h"

#include <memory>

#include "broker/connection.h"
#include "broker/io_thread.h"

namespace chorale {

// A task behind each backlog; the last of them to be done lets the client go on.
void WaitForThreads(Connection& connection, std::span<IoThread* const> congested) {
  if (congested.empty() || connection.suspended()) return;
  connection.Suspend();
  const std::shared_ptr<void> last(
      nullptr, [&thread = connection.thread(), weak = connection.weak_from_this()](void*) {
        thread.Post([weak] {
          if (const auto alive = weak.lock()) alive->Resume();
        });
      });
  for (IoThread* thread : congested) thread->Post([last] {});
}

}  // namespace chorale
