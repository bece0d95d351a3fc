package detector

// A heap that doubles from one GC to the next completes few GCs: twenty
// megabytes a second for half a minute are eight cycles, too few for a trend
// test. But when each cycle finds more alive than the one before, and in the
// end many times what there was, few points are enough: of five levels in
// random order, one in 120 is sorted, and chance does not multiply a heap.
const (
	steepPoints = 5
	steepFactor = 4
)

// steep looks for such a climb in the newest blocks. The trend it returns is
// the line from the foot of the climb to its top, at least so many bytes high
// and seconds long; n is 0 when there is none.
func steep(p *pyramid, least, shortest float64) trend {
	r := &p.level[0]
	n := 1
	for n < min(r.n, levelBlocks) && r.at(r.n-n-1).v < r.at(r.n-n).v {
		n++
	}
	// The climb may be the end of a longer one that stumbled: take only the part
	// that rose without a break.
	if n < steepPoints {
		return trend{}
	}
	foot, top := r.at(r.n-n), r.at(r.n-1)
	growth, span := top.v-foot.v, top.t-foot.t
	if growth < least || top.v < steepFactor*foot.v || span < shortest {
		return trend{}
	}
	var buf [levelBlocks]block
	w := p.window(0, n, &buf)
	tr := trend{n: n, span: span, first: foot.v, last: top.v, growth: growth, slope: growth / span}
	tr.z = sortedZ(n)
	tr.beyondLoad, tr.ending = beyondLoad(w), ending(w, growth)
	// The slowest and the fastest stretch bound the rate.
	tr.low, tr.high = tr.slope, tr.slope
	for i := 1; i < n; i++ {
		if dt := w[i].t - w[i-1].t; dt > 0 {
			s := (w[i].v - w[i-1].v) / dt
			tr.low, tr.high = min(tr.low, s), max(tr.high, s)
		}
	}
	return tr
}
