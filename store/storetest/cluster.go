package storetest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// Cluster starts a cluster of three masters without replicas and returns its
// redis+cluster:// URL and its servers.
func Cluster(t testing.TB) (string, []*Server) {
	t.Helper()
	var all []*Server
	for range 3 {
		all = append(all, StartRedis(t, "--cluster-enabled", "yes",
			"--cluster-node-timeout", "2000", "--cluster-config-file", "nodes.conf"))
	}
	_, first, _ := net.SplitHostPort(all[0].Addr)
	for i, s := range all {
		s.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		s.Do(t, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*16384/3), fmt.Sprint((i+1)*16384/3-1))
		s.Do(t, "CLUSTER", "MEET", "127.0.0.1", first)
	}
	for _, s := range all {
		eventually(t, "cluster in order", func() bool {
			// All slots are served, and by all that should.
			info, err := s.Ask("CLUSTER", "INFO")
			if err != nil {
				return false
			}
			lines := strings.Fields(info[0])
			return slices.Contains(lines, "cluster_state:ok") && slices.Contains(lines, "cluster_size:3")
		})
	}
	return "redis+cluster://" + all[0].Addr, all
}
