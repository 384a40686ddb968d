// What the process tells the service manager that started it. Thread-safe.
// https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html

#pragma once

#include <string_view>

namespace chorale {

// Sends a line such as "READY=1" to the socket that NOTIFY_SOCKET names; nothing if it names none.
void TellSupervisor(std::string_view state);

}  // namespace chorale
