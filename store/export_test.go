package store

// Len returns how many things are kept.
func (s *Memory) Len() int {
	n := 0
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		n += len(h.meetings) + len(h.attempts) + len(h.values) + len(h.taken) + len(h.counts) + len(h.owners)
		h.mu.Unlock()
	}
	return n
}

// Place is what a Config's URL means.
type Place struct {
	Addrs              []string
	Master             string
	Cluster            bool
	DB                 int
	Username, Password string
	TLS                bool
}

// Place reads the URL.
func (c Config) Place() (Place, error) {
	p, err := c.place()
	return Place{p.addrs, p.master, p.cluster, p.db, p.username, p.password, p.tls != nil}, err
}
