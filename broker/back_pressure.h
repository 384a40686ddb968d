// Holds back a client that gives other threads more to do than they get done.

#pragma once

#include <span>

namespace chorale {

class Connection;
class IoThread;

// Suspends the connection, unless it is already, until each of the threads has worked off what lies
// in its inbox now. On the connection's thread.
void WaitForThreads(Connection& connection, std::span<IoThread* const> congested);

}  // namespace chorale
