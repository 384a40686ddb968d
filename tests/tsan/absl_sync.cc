// Tells the thread sanitizer what Abseil's locks order (see CMakeLists.txt). Each function below
// stands before the library's own: `__real_` is the library's, `__wrap_` is what our code calls.
// A function that is missing here shows up as a false report, never as a missed one.
//
// A lock taken for reading counts as one for writing here: a write under it would go unseen.

#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

// The parts of the mangled names that tell the functions apart.
#define REAL(name) __real__ZN4absl7debian3##name
#define WRAP(name) __wrap__ZN4absl7debian3##name
#define REAL_CONST(name) __real__ZNK4absl7debian3##name
#define WRAP_CONST(name) __wrap__ZNK4absl7debian3##name

// clang-format off
extern "C" {

void REAL(5Mutex4LockEv)(absl::Mutex* mutex);
void WRAP(5Mutex4LockEv)(absl::Mutex* mutex) {
  REAL(5Mutex4LockEv)(mutex);
  __tsan_acquire(mutex);
}

void REAL(5Mutex6UnlockEv)(absl::Mutex* mutex);
void WRAP(5Mutex6UnlockEv)(absl::Mutex* mutex) {
  __tsan_release(mutex);
  REAL(5Mutex6UnlockEv)(mutex);
}

bool REAL(5Mutex7TryLockEv)(absl::Mutex* mutex);
bool WRAP(5Mutex7TryLockEv)(absl::Mutex* mutex) {
  if (!REAL(5Mutex7TryLockEv)(mutex)) return false;
  __tsan_acquire(mutex);
  return true;
}

void REAL(5Mutex10ReaderLockEv)(absl::Mutex* mutex);
void WRAP(5Mutex10ReaderLockEv)(absl::Mutex* mutex) {
  REAL(5Mutex10ReaderLockEv)(mutex);
  __tsan_acquire(mutex);
}

void REAL(5Mutex12ReaderUnlockEv)(absl::Mutex* mutex);
void WRAP(5Mutex12ReaderUnlockEv)(absl::Mutex* mutex) {
  __tsan_release(mutex);
  REAL(5Mutex12ReaderUnlockEv)(mutex);
}

void REAL(7CondVar4WaitEPNS0_5MutexE)(absl::CondVar* condition, absl::Mutex* mutex);
void WRAP(7CondVar4WaitEPNS0_5MutexE)(absl::CondVar* condition, absl::Mutex* mutex) {
  __tsan_release(mutex);
  REAL(7CondVar4WaitEPNS0_5MutexE)(condition, mutex);
  __tsan_acquire(mutex);
}

bool REAL(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(
    absl::CondVar* condition, absl::Mutex* mutex, absl::Duration timeout);
bool WRAP(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(
    absl::CondVar* condition, absl::Mutex* mutex, absl::Duration timeout) {
  __tsan_release(mutex);
  const bool timed_out =
      REAL(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE)(condition, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool REAL(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(
    absl::CondVar* condition, absl::Mutex* mutex, absl::Time deadline);
bool WRAP(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(
    absl::CondVar* condition, absl::Mutex* mutex, absl::Time deadline) {
  __tsan_release(mutex);
  const bool timed_out =
      REAL(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)(condition, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

bool REAL(15BlockingCounter14DecrementCountEv)(absl::BlockingCounter* counter);
bool WRAP(15BlockingCounter14DecrementCountEv)(absl::BlockingCounter* counter) {
  __tsan_release(counter);
  return REAL(15BlockingCounter14DecrementCountEv)(counter);
}

void REAL(15BlockingCounter4WaitEv)(absl::BlockingCounter* counter);
void WRAP(15BlockingCounter4WaitEv)(absl::BlockingCounter* counter) {
  REAL(15BlockingCounter4WaitEv)(counter);
  __tsan_acquire(counter);
}

void REAL(12Notification6NotifyEv)(absl::Notification* notification);
void WRAP(12Notification6NotifyEv)(absl::Notification* notification) {
  __tsan_release(notification);
  REAL(12Notification6NotifyEv)(notification);
}

void REAL_CONST(12Notification19WaitForNotificationEv)(absl::Notification* notification);
void WRAP_CONST(12Notification19WaitForNotificationEv)(absl::Notification* notification) {
  REAL_CONST(12Notification19WaitForNotificationEv)(notification);
  __tsan_acquire(notification);
}

bool REAL_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(
    absl::Notification* notification, absl::Duration timeout);
bool WRAP_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(
    absl::Notification* notification, absl::Duration timeout) {
  if (!REAL_CONST(12Notification30WaitForNotificationWithTimeoutENS0_8DurationE)(notification,
                                                                                timeout)) {
    return false;
  }
  __tsan_acquire(notification);
  return true;
}

}  // extern "C"

// Abseil's deadlock detector keeps a graph of mutexes behind a spin lock inside a library that is
// not instrumented: what that lock orders looks like a race. So does what RocksDB's own threads
// order among themselves with atomics.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:absl::debian3::synchronization_internal::GraphCycles\n"
         "race:librocksdb.so\n";
}

// The end-to-end tests take whatever the sanitizer says for a finding.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "print_suppressions=0"; }
