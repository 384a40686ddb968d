#include "broker/back_pressure.h"

#include <memory>

#include "broker/connection.h"
#include "broker/io_thread.h"
#include "broker/server.h"

namespace chorale {
namespace {

// Resumes the connection, on its thread, when the last copy is gone.
std::shared_ptr<void> ResumeAtTheLast(Connection& connection) {
  return {nullptr, [&thread = connection.thread(), weak = connection.weak_from_this()](void*) {
            thread.Post([weak] {
              if (const auto alive = weak.lock()) alive->Resume();
            });
          }};
}

}  // namespace

// A task behind each backlog.
void WaitForThreads(Connection& connection, std::span<IoThread* const> congested) {
  if (congested.empty() || connection.suspended()) return;
  connection.Suspend();
  const auto last = ResumeAtTheLast(connection);
  for (IoThread* thread : congested) thread->Post([last] {});
}

void ResumeAfterReads(Connection& connection) {
  const auto last = ResumeAtTheLast(connection);
  for (const auto& thread : connection.server().threads()) thread->PostAfterReads([last] {});
}

}  // namespace chorale
