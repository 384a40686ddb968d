// Where memory is allocated: call stacks, noted while a meter counts, and turned into lines of
// source by binutils' addr2line.

#pragma once

#include <atomic>

namespace chorale::bench {

// Between BeginSites and EndSites, if sites are traced at all.
inline constinit std::atomic<bool> g_tracing_sites = false;

// Notes the caller's stack. From any thread, within an allocation.
void NoteAllocationSite();

// Forgets what was noted before.
void BeginSites();
// So many operations were done since BeginSites.
void EndSites(double operations);

}  // namespace chorale::bench
