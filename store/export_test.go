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
