package spool

// Stats is how the spool is doing. Counters count since Open.
type Stats struct {
	Readings, Evidence ClassStats
	// DiskBytes and MaxBytes are what is used and what may be.
	DiskBytes, MaxBytes int64
	// MemoryBytes wait because the disk takes nothing.
	MemoryBytes int64
	// Degraded says that the disk takes nothing now.
	Degraded bool
	// LastError is the newest failure of the disk, "" if there was none.
	LastError string
}

// ClassStats is one class's part.
type ClassStats struct {
	// Len is how many records wait.
	Len int
	// Put, Acked and Rejected count records; Dropped those that gave way before
	// they were acknowledged; Corrupt the places that could not be read again.
	Put, Acked, Rejected, Dropped, Corrupt uint64
}

// Stats returns the present numbers.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, e := s.readings, s.evidence
	st := Stats{
		Readings:    ClassStats{r.pending, r.put, r.acked, s.rejected.count[Reading], r.dropped, r.corrupt},
		Evidence:    ClassStats{len(e.entries), e.put, e.acked, s.rejected.count[Evidence], e.dropped, e.corrupt},
		DiskBytes:   s.diskBytes(),
		MaxBytes:    s.cfg.MaxBytes,
		MemoryBytes: s.memoryBytes(),
		Degraded:    s.degraded,
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	return st
}
