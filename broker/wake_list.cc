#include "broker/wake_list.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/io_thread.h"
#include "broker/mailbox_delivery.h"

namespace chorale {

void WakeList::TakeFor(Connection& connection, std::string& replies) {
  const auto own =
      std::stable_partition(waiting_.begin(), waiting_.end(),
                            [&](const auto& delivery) { return !delivery->IsFor(connection); });
  const List deliveries(std::make_move_iterator(own), std::make_move_iterator(waiting_.end()));
  waiting_.erase(own, waiting_.end());
  for (const auto& delivery : deliveries) delivery->DeliverWith(replies);
}

void WakeList::Tell() {
  List waiting = std::exchange(waiting_, {});
  while (!waiting.empty()) {
    IoThread& thread = waiting.back()->thread();
    const auto same =
        std::stable_partition(waiting.begin(), waiting.end(),
                              [&](const auto& delivery) { return &delivery->thread() != &thread; });
    List deliveries(std::make_move_iterator(same), std::make_move_iterator(waiting.end()));
    waiting.erase(same, waiting.end());
    if (&thread == &thread_) {
      for (auto& delivery : deliveries) thread.DeliverLater(std::move(delivery));
    } else {
      thread.Post([deliveries = std::move(deliveries)] {
        for (const auto& delivery : deliveries) delivery->Deliver();
      });
    }
  }
}

}  // namespace chorale
