package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// configXML is the server's configuration. It names no log tables: without a
// section the server makes none, and with them it would never be at rest.
func (s *Server) configXML() string {
	fsync := 1
	if s.opt.Disposable {
		fsync = 0
	}
	return fmt.Sprintf(`<?xml version="1.0"?>
<!-- Written at every start. -->
<clickhouse>
    <path>%[1]s/</path>
    <user_directories><users_xml><path>%[2]s</path></users_xml></user_directories>
    <default_profile>default</default_profile>
    <timezone>UTC</timezone>
    <backups><allowed_path>%[3]s/</allowed_path></backups>

    <!-- A small machine that does other things too. -->
    <max_server_memory_usage>%[4]d</max_server_memory_usage>
    <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
    <!-- The control group's figure counts the other processes of the house
         in, and would have queries refused for the sake of a film being
         transcoded. -->
    <memory_worker_use_cgroup>0</memory_worker_use_cgroup>
    <memory_worker_dynamic_hard_limit>0</memory_worker_dynamic_hard_limit>
    <mark_cache_size>33554432</mark_cache_size>
    <index_mark_cache_size>8388608</index_mark_cache_size>
    <primary_index_cache_size>33554432</primary_index_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
    <query_condition_cache_size>8388608</query_condition_cache_size>
    <mmap_cache_size>128</mmap_cache_size>
    <compiled_expression_cache_size>8388608</compiled_expression_cache_size>
    <query_cache><max_size_in_bytes>16777216</max_size_in_bytes></query_cache>

    <max_connections>256</max_connections>
    <max_concurrent_queries>64</max_concurrent_queries>
    <max_thread_pool_size>256</max_thread_pool_size>
    <max_thread_pool_free_size>8</max_thread_pool_free_size>
    <max_io_thread_pool_size>16</max_io_thread_pool_size>
    <max_io_thread_pool_free_size>0</max_io_thread_pool_free_size>
    <background_pool_size>2</background_pool_size>
    <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
    <background_schedule_pool_size>4</background_schedule_pool_size>
    <background_common_pool_size>2</background_common_pool_size>
    <background_fetches_pool_size>1</background_fetches_pool_size>
    <background_move_pool_size>1</background_move_pool_size>
    <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
    <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
    <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
    <asynchronous_metrics_update_period_s>60</asynchronous_metrics_update_period_s>

    <merge_tree>
        <fsync_after_insert>%[5]d</fsync_after_insert>
        <fsync_part_directory>%[5]d</fsync_part_directory>
        <!-- These must fit into the small background pool. -->
        <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
        <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
        <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    </merge_tree>
</clickhouse>
`,
		escape(filepath.Join(s.opt.Dir, "data")),
		escape(filepath.Join(s.opt.Dir, "users.xml")),
		escape(filepath.Join(s.opt.Dir, "backups")),
		s.opt.MaxMemory,
		fsync)
}

// launcherStatements is how many statements the launcher runs at its start.
const launcherStatements = 3

// usersXML says who may do what; see the package doc. Nothing is granted by
// statement, so what the file says is all there is.
func (s *Server) usersXML() string {
	sum := sha256.Sum256([]byte(s.password))
	perQuery := s.opt.MaxMemory / 2
	return fmt.Sprintf(`<?xml version="1.0"?>
<!-- Written at every start. -->
<clickhouse>
    <profiles>
        <default>
            <max_threads>2</max_threads>
            <max_insert_threads>1</max_insert_threads>
            <max_memory_usage>%[3]d</max_memory_usage>
            <max_bytes_before_external_group_by>%[4]d</max_bytes_before_external_group_by>
            <max_bytes_before_external_sort>%[4]d</max_bytes_before_external_sort>
            <log_queries>0</log_queries>
        </default>
        <launcher>
            <max_threads>1</max_threads>
            <max_memory_usage>33554432</max_memory_usage>
            <max_concurrent_queries_for_user>2</max_concurrent_queries_for_user>
            <constraints>
                <max_threads><const/></max_threads>
                <max_memory_usage><const/></max_memory_usage>
                <max_concurrent_queries_for_user><const/></max_concurrent_queries_for_user>
            </constraints>
        </launcher>
    </profiles>
    <quotas>
        <default/>
        <launcher><interval><duration>2000000000</duration><queries>%[1]d</queries></interval></launcher>
    </quotas>
    <users>
        <default>
            <password/>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>launcher</profile>
            <quota>launcher</quota>
            <grants>
                <query>GRANT SYSTEM LISTEN ON *.*</query>
                <query>GRANT SELECT ON system.numbers</query>
            </grants>
        </default>
        <%[5]s>
            <password_sha256_hex>%[2]s</password_sha256_hex>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </%[5]s>
    </users>
</clickhouse>
`, launcherStatements, hex.EncodeToString(sum[:]), perQuery, perQuery/2, User)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}
