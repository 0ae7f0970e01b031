package store_test

import (
	"testing"
	"time"

	"vestibule/store"
	"vestibule/store/storetest"
)

// open opens a store that is closed with the test.
func open(t testing.TB, c store.Config) *store.Redis {
	t.Helper()
	s, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRedis(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Store {
			// The machine may be slow; the deadline is tested elsewhere.
			return open(t, store.Config{URL: server.URL(), Timeout: 10 * time.Second})
		})
	})
	forever(t, server)
}

// forever fails the test for each key without an end (T62).
func forever(t *testing.T, server *storetest.Server) {
	t.Helper()
	keys := server.Do(t, "KEYS", "*")
	if len(keys) == 0 {
		t.Error("the contract left no key to look at")
	}
	for _, k := range keys {
		if ttl := server.Do(t, "PTTL", k)[0]; ttl == "-1" {
			t.Errorf("%s lives for ever", k)
		}
	}
}
