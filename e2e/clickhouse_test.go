package e2e

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files of a ClickHouse cluster name each other's servers, and no secret.
func TestClickHouseClusterFiles(t *testing.T) {
	read := func(name string, into any) string {
		b, err := os.ReadFile(filepath.Join("..", "deploy", "clickhouse", name))
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(b, into), name)
		return string(b)
	}
	type from struct {
		Env  string `xml:"from_env,attr"`
		Text string `xml:",chardata"`
	}
	var server struct {
		Shard   from `xml:"macros>shard"`
		Replica from `xml:"macros>replica"`
		Secret  from `xml:"remote_servers>cinema>secret"`
		Shards  []struct {
			Internal bool     `xml:"internal_replication"`
			Hosts    []string `xml:"replica>host"`
		} `xml:"remote_servers>cinema>shard"`
		Keepers  []string `xml:"zookeeper>node>host"`
		Exchange from     `xml:"interserver_http_credentials>password"`
		Users    string   `xml:"user_directories>users_xml>path"`
	}
	read("config.xml", &server)
	require.Len(t, server.Shards, 2)
	hosts := map[string]bool{}
	for _, s := range server.Shards {
		require.True(t, s.Internal, "a replica passes on what it was sent")
		require.Len(t, s.Hosts, 2)
		for _, h := range s.Hosts {
			hosts[h] = true
		}
	}
	require.Len(t, hosts, 4)

	var keeper struct {
		ID      from `xml:"keeper_server>server_id"`
		Servers []struct {
			ID   int    `xml:"id"`
			Host string `xml:"hostname"`
		} `xml:"keeper_server>raft_configuration>server"`
	}
	read("keeper.xml", &keeper)
	var keepers []string
	for i, s := range keeper.Servers {
		require.Equal(t, i+1, s.ID)
		keepers = append(keepers, s.Host)
	}
	require.Equal(t, keepers, server.Keepers)

	var users struct {
		Users struct {
			All []struct {
				XMLName  xml.Name
				Password from `xml:"password"`
			} `xml:",any"`
		} `xml:"users"`
	}
	text := read("users.xml", &users)
	require.Len(t, users.Users.All, 1, "nobody but the program")
	require.Equal(t, "cinema", users.Users.All[0].XMLName.Local)
	require.NotContains(t, text, "access_management")
	for _, f := range []from{server.Shard, server.Replica, server.Secret, server.Exchange, keeper.ID, users.Users.All[0].Password} {
		require.NotEmpty(t, f.Env)
		require.Empty(t, f.Text)
	}
}
