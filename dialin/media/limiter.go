package media

// Limiter turns a sum of voices down where it would be too loud for a
// telephone: many may talk at once, and none of them distorts. The zero value
// is ready. It is used by one goroutine.
type Limiter struct {
	// turned is how much the last frame was turned down at its end, in 1/gain
	// - 1; 0 is not at all.
	turned float32
}

const (
	// ceiling is the loudest sample that a mix may have.
	ceiling = 30000
	// recovery is how much of turned is left after 10 ms without need: half
	// is gone after 100 ms, so that the gain does not pump with each syllable.
	recovery = 0.933
	tenMS    = Rate / 100
)

// Limit fills out with the sum, which has as many samples.
func (m *Limiter) Limit(out []int16, sum []int32) {
	for at := 0; at < len(out); at += tenMS {
		end := min(at+tenMS, len(out))
		m.limit(out[at:end], sum[at:end])
	}
}

// limit turns ten milliseconds down. It knows their peak beforehand, so the
// gain glides there from where it was and is never too late.
func (m *Limiter) limit(out []int16, sum []int32) {
	var peak int32
	for _, v := range sum {
		peak = max(peak, v, -v)
	}
	need := max(float32(peak)/ceiling-1, 0)
	from, to := m.turned, max(need, m.turned*recovery)
	if need > from {
		from = need // a rise takes hold at once; a click is worse than a dip
	}
	if to < 0.001 {
		to = 0
	}
	m.turned = to
	if from == 0 && to == 0 {
		for i, v := range sum {
			out[i] = int16(v)
		}
		return
	}
	g, end := 1/(1+from), 1/(1+to)
	step := (end - g) / float32(len(sum))
	for i, v := range sum {
		out[i] = clip(float32(v) * g)
		g += step
	}
}
