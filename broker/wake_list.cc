#include "broker/wake_list.h"

#include <utility>

#include "broker/io_thread.h"
#include "broker/mailbox_delivery.h"

namespace chorale {

template <typename Wanted, typename Take>
void WakeList::TakeOut(Wanted wanted, Take take) {
  auto kept = waiting_.begin();
  for (auto& delivery : waiting_) {
    if (wanted(*delivery)) {
      take(std::move(delivery));
    } else {
      *kept++ = std::move(delivery);
    }
  }
  waiting_.erase(kept, waiting_.end());
}

void WakeList::TakeFor(Connection& connection, std::string& replies) {
  List own = std::exchange(spare_, {});
  TakeOut([&](const MailboxDelivery& delivery) { return delivery.IsFor(connection); },
          [&](auto delivery) { own.push_back(std::move(delivery)); });
  for (const auto& delivery : own) delivery->DeliverWith(replies);
  own.clear();
  spare_ = std::move(own);
}

void WakeList::Tell() {
  TakeOut([&](MailboxDelivery& delivery) { return &delivery.thread() == &thread_; },
          [&](auto delivery) { thread_.DeliverLater(std::move(delivery)); });
  while (!waiting_.empty()) {
    IoThread& thread = waiting_.back()->thread();
    List deliveries;
    TakeOut([&](MailboxDelivery& delivery) { return &delivery.thread() == &thread; },
            [&](auto delivery) { deliveries.push_back(std::move(delivery)); });
    thread.Post([deliveries = std::move(deliveries)] {
      for (const auto& delivery : deliveries) delivery->Deliver();
    });
  }
}

}  // namespace chorale
