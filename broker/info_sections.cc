#include "broker/info_sections.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "broker/clock.h"
#include "broker/command_table.h"
#include "broker/io_thread.h"
#include "broker/memory.h"
#include "broker/scripting/script_engine.h"
#include "broker/server.h"
#include "broker/version.h"

namespace chorale {
namespace {

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Percent(uint64_t part, uint64_t whole) {
  return fmt::format("{:.2f}%", 100 * Ratio(part, whole));
}

uint64_t SystemMemory() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string OperatingSystem() {
  utsname name{};
  ::uname(&name);
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

std::string Executable() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::string Seconds(const timeval& time) {
  return fmt::format("{}.{:06}", time.tv_sec, time.tv_usec);
}

std::string KilobytesPerSecond(const Rate& rate) {
  return fmt::format("{:.2f}", static_cast<double>(rate.per_second()) / 1024);
}

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTP";
  if (bytes < 1024) return fmt::format("{}B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

void InfoWriter::Bytes(std::string_view name, uint64_t bytes) {
  Field(name, bytes);
  Field(fmt::format("{}_human", name), HumanBytes(bytes));
}

void WriteServerInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  const int64_t now_us = UnixMicros();
  const int64_t uptime = (now_us / 1000 - server.started_at_ms()) / 1000;
  const Config& config = server.config();
  out.Title("Server");
  out.Field("redis_version", kRedisVersion);
  out.Field("chorale_version", kChoraleVersion);
  out.Field("redis_git_sha1", "00000000");
  out.Field("redis_git_dirty", 0);
  out.Field("redis_build_id", 0);
  out.Field("redis_mode", "standalone");
  out.Field("os", OperatingSystem());
  out.Field("arch_bits", 64);
  out.Field("multiplexing_api", "epoll");
  out.Field("gcc_version", __VERSION__);
  out.Field("process_id", ::getpid());
  out.Field("process_supervised", "no");
  out.Field("run_id", server.run_id());
  out.Field("tcp_port", server.port());
  out.Field("server_time_usec", now_us);
  out.Field("uptime_in_seconds", uptime);
  out.Field("uptime_in_days", uptime / (24 * 3600));
  out.Field("hz", config.hz.load());
  out.Field("configured_hz", config.hz.load());
  out.Field("lru_clock", (now_us / 1000000) & 0xffffff);
  out.Field("executable", Executable());
  out.Field("config_file", config.file);
  out.Field("io_threads_active", server.threads().size() > 1 ? 1 : 0);
  out.Field("threads", server.threads().size());
  for (size_t i = 0; i < server.addresses().size(); ++i) {
    out.Field(fmt::format("listener{}", i), server.addresses()[i]);
  }
}

void WriteClientsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace) {
  const auto clients = server.clients().All();
  const auto count = [&](auto&& test) {
    return std::count_if(clients.begin(), clients.end(), test);
  };
  uint64_t largest_input = 0;
  uint64_t largest_output = 0;
  for (const auto& info : clients) {
    largest_input = std::max(largest_input, info->input_bytes.load());
    largest_output = std::max(largest_output, info->output_bytes.load());
  }
  out.Title("Clients");
  out.Field("connected_clients", clients.size());
  out.Field("cluster_connections", 0);
  out.Field("maxclients", server.config().maxclients.load());
  out.Field("client_recent_max_input_buffer", largest_input);
  out.Field("client_recent_max_output_buffer", largest_output);
  out.Field("blocked_clients", count([](const auto& info) { return info->blocked.load(); }));
  out.Field("tracking_clients", 0);
  out.Field("pubsub_clients", count([](const auto& info) {
              return info->channels + info->patterns + info->shard_channels > 0;
            }));
  out.Field("watching_clients", count([](const auto& info) { return info->watched > 0; }));
  out.Field("clients_in_timeout_table", 0);
  out.Field("total_blocking_keys", keyspace.totals.waiting_keys);
  out.Field("total_blocking_keys_on_nokey", 0);
}

void WriteMemoryInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  const uint64_t used = server.used_memory;
  const uint64_t peak = server.peak_memory;
  const uint64_t resident = ResidentMemory();
  const auto limit = static_cast<uint64_t>(server.config().maxmemory.load());
  const uint64_t startup = std::min(server.startup_memory(), used);
  out.Title("Memory");
  out.Bytes("used_memory", used);
  out.Bytes("used_memory_rss", resident);
  out.Bytes("used_memory_peak", peak);
  out.Field("used_memory_peak_perc", Percent(used, peak));
  out.Field("used_memory_overhead", startup);
  out.Field("used_memory_startup", startup);
  out.Field("used_memory_dataset", used - startup);
  out.Field("used_memory_dataset_perc", Percent(used - startup, used));
  out.Field("allocator_allocated", used);
  out.Field("allocator_active", resident);
  out.Field("allocator_resident", resident);
  out.Bytes("total_system_memory", SystemMemory());
  uint64_t interpreters = 0;
  for (const auto& thread : server.threads()) interpreters += thread->scripts().memory_used();
  out.Bytes("used_memory_lua", interpreters);
  out.Field("used_memory_vm_eval", interpreters);
  out.Field("used_memory_scripts_eval", server.script_cache().memory_used());
  out.Field("number_of_cached_scripts", server.script_cache().size());
  out.Bytes("maxmemory", limit);
  out.Field("maxmemory_policy", "noeviction");
  out.Field("mem_fragmentation_ratio", fmt::format("{:.2f}", Ratio(resident, used)));
  out.Field("mem_fragmentation_bytes", static_cast<int64_t>(resident) - static_cast<int64_t>(used));
  out.Field("mem_not_counted_for_evict", 0);
  out.Field("mem_replication_backlog", 0);
  out.Field("mem_clients_slaves", 0);
  uint64_t buffers = 0;
  for (const auto& info : server.clients().All()) buffers += info->input_bytes + info->output_bytes;
  out.Field("mem_clients_normal", buffers);
  out.Field("mem_aof_buffer", 0);
  out.Field("mem_allocator", AllocatorName());
  out.Field("active_defrag_running", 0);
  out.Field("lazyfree_pending_objects", 0);
  out.Field("lazyfreed_objects", 0);
}

void WritePersistenceInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  Journal* const journal = server.journal();
  const Journal::Statistics disk =
      journal == nullptr ? Journal::Statistics() : journal->statistics();
  const bool failed = journal != nullptr && journal->failed();
  out.Title("Persistence");
  out.Field("loading", 0);
  out.Field("async_loading", 0);
  out.Field("rdb_changes_since_last_save", disk.unsaved_bytes > 0 ? 1 : 0);
  out.Field("rdb_bgsave_in_progress", server.saving() ? 1 : 0);
  out.Field("rdb_last_save_time",
            (journal == nullptr ? server.started_at_ms() : disk.last_save_ms) / 1000);
  out.Field("rdb_last_bgsave_status", failed ? "err" : "ok");
  out.Field("rdb_last_bgsave_time_sec", journal == nullptr ? -1 : disk.last_round_us / 1000000);
  out.Field("rdb_current_bgsave_time_sec", -1);
  out.Field("rdb_last_cow_size", 0);
  out.Field("aof_enabled", journal == nullptr ? 0 : 1);
  out.Field("aof_rewrite_in_progress", 0);
  out.Field("aof_rewrite_scheduled", 0);
  out.Field("aof_last_rewrite_time_sec", -1);
  out.Field("aof_current_rewrite_time_sec", -1);
  out.Field("aof_last_bgrewrite_status", "ok");
  out.Field("aof_last_write_status", failed ? "err" : "ok");
  out.Field("aof_last_cow_size", 0);
  if (journal == nullptr) return;
  out.Field("journal_unsaved_bytes", disk.unsaved_bytes);
  out.Field("journal_rounds", disk.rounds);
  out.Field("journal_rows", disk.rows);
  out.Field("journal_bytes", disk.bytes);
  out.Field("journal_last_round_usec", disk.last_round_us);
  out.Field("journal_longest_round_usec", disk.longest_round_us);
  out.Field("journal_last_error", journal->failure());
}

void WriteStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& keyspace) {
  const Statistics& statistics = server.statistics();
  const auto sum = [&](Counter ThreadStatistics::*counter) { return statistics.Sum(counter); };
  PubSub& pubsub = server.pubsub();
  out.Title("Stats");
  out.Field("total_connections_received", sum(&ThreadStatistics::connections));
  out.Field("total_commands_processed", sum(&ThreadStatistics::commands));
  out.Field("instantaneous_ops_per_sec", statistics.commands.per_second());
  out.Field("total_net_input_bytes", sum(&ThreadStatistics::input_bytes));
  out.Field("total_net_output_bytes", sum(&ThreadStatistics::output_bytes));
  out.Field("total_net_repl_input_bytes", 0);
  out.Field("total_net_repl_output_bytes", 0);
  out.Field("instantaneous_input_kbps", KilobytesPerSecond(statistics.input_bytes));
  out.Field("instantaneous_output_kbps", KilobytesPerSecond(statistics.output_bytes));
  out.Field("rejected_connections", sum(&ThreadStatistics::rejected_connections));
  out.Field("sync_full", 0);
  out.Field("sync_partial_ok", 0);
  out.Field("sync_partial_err", 0);
  out.Field("expired_keys", keyspace.totals.expired);
  out.Field("expired_stale_perc", "0.00");
  out.Field("expired_time_cap_reached_count", 0);
  out.Field("evicted_keys", 0);
  out.Field("evicted_clients", 0);
  out.Field("evicted_scripts", server.script_cache().evicted());
  out.Field("keyspace_hits", keyspace.totals.hits);
  out.Field("keyspace_misses", keyspace.totals.misses);
  out.Field("pubsub_channels", pubsub.NameCount(SubscriptionKind::kChannel));
  out.Field("pubsub_patterns", pubsub.NameCount(SubscriptionKind::kPattern));
  out.Field("pubsubshard_channels", pubsub.NameCount(SubscriptionKind::kShardChannel));
  out.Field("latest_fork_usec", 0);
  out.Field("total_forks", 0);
  out.Field("migrate_cached_sockets", 0);
  out.Field("slave_expires_tracked_keys", 0);
  out.Field("active_defrag_hits", 0);
  out.Field("active_defrag_misses", 0);
  out.Field("tracking_total_keys", 0);
  out.Field("unexpected_error_replies", 0);
  out.Field("total_error_replies", sum(&ThreadStatistics::errors));
  out.Field("client_query_buffer_limit_disconnections",
            sum(&ThreadStatistics::query_buffer_disconnections));
  out.Field("client_output_buffer_limit_disconnections",
            sum(&ThreadStatistics::output_limit_disconnections));
  out.Field("returned_leases", sum(&ThreadStatistics::returned_leases));
}

void WriteReplicationInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  out.Title("Replication");
  out.Field("role", "master");
  out.Field("connected_slaves", 0);
  out.Field("master_failover_state", "no-failover");
  out.Field("master_replid", server.run_id());
  out.Field("master_replid2", std::string(40, '0'));
  out.Field("master_repl_offset", 0);
  out.Field("second_repl_offset", -1);
  out.Field("repl_backlog_active", 0);
  out.Field("repl_backlog_size", 0);
  out.Field("repl_backlog_first_byte_offset", 0);
  out.Field("repl_backlog_histlen", 0);
}

void WriteCpuInfo(InfoWriter& out, Server& /*server*/, const KeyspaceSummary& /*keyspace*/) {
  rusage own{};
  rusage children{};
  ::getrusage(RUSAGE_SELF, &own);
  ::getrusage(RUSAGE_CHILDREN, &children);
  out.Title("CPU");
  out.Field("used_cpu_sys", Seconds(own.ru_stime));
  out.Field("used_cpu_user", Seconds(own.ru_utime));
  out.Field("used_cpu_sys_children", Seconds(children.ru_stime));
  out.Field("used_cpu_user_children", Seconds(children.ru_utime));
}

void WriteModulesInfo(InfoWriter& out, Server& /*server*/, const KeyspaceSummary& /*keyspace*/) {
  out.Title("Modules");
}

void WriteCommandStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  out.Title("Commandstats");
  for (const Command& command : AllRows()) {
    uint64_t calls = 0, ticks = 0, rejected = 0, failed = 0;
    for (const ThreadStatistics& thread : server.statistics().threads()) {
      const CommandCounters& counters = thread.by_command[command.id];
      calls += counters.calls.get();
      ticks += counters.ticks.get();
      rejected += counters.rejected.get();
      failed += counters.failed.get();
    }
    if (calls + rejected == 0) continue;
    const auto nanoseconds = static_cast<uint64_t>(TicksToNanos(ticks));
    out.Field(
        fmt::format("cmdstat_{}", FullName(command)),
        fmt::format("calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
                    calls, nanoseconds / 1000, Ratio(nanoseconds, calls) / 1000, rejected, failed));
  }
}

void WriteErrorStatsInfo(InfoWriter& out, Server& server, const KeyspaceSummary& /*keyspace*/) {
  out.Title("Errorstats");
  for (const auto& [code, count] : server.statistics().ErrorsByCode()) {
    out.Field(fmt::format("errorstat_{}", code), fmt::format("count={}", count));
  }
}

void WriteClusterInfo(InfoWriter& out, Server& /*server*/, const KeyspaceSummary& /*keyspace*/) {
  out.Title("Cluster");
  out.Field("cluster_enabled", 0);
}

void WriteKeyspaceInfo(InfoWriter& out, Server& /*server*/, const KeyspaceSummary& keyspace) {
  out.Title("Keyspace");
  for (size_t i = 0; i < keyspace.databases.size(); ++i) {
    const auto& database = keyspace.databases[i];
    if (database.keys == 0) continue;
    out.Field(fmt::format("db{}", i),
              fmt::format("keys={},expires={},avg_ttl={},subexpiry=0", database.keys,
                          database.expiring, database.average_ttl_ms));
  }
}

}  // namespace chorale
