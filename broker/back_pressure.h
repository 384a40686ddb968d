// Holds back a client until other threads have got something done.

#pragma once

#include <span>

namespace chorale {

class Connection;
class IoThread;

// Suspends the connection, unless it is already, until each of the threads has worked off what lies
// in its inbox now. On the connection's thread.
void WaitForThreads(Connection& connection, std::span<IoThread* const> congested);

// Resumes the connection, which is suspended, once every thread has read and run what its clients
// had sent by now. On the connection's thread.
void ResumeAfterReads(Connection& connection);

}  // namespace chorale
