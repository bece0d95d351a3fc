package simulate

import "math"

const (
	minute = 60.0
	hour   = 60 * minute
	day    = 24 * hour

	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// load is the work that reaches an instance; 1 is its typical level.
type load struct {
	// daily is the swing of the day, 0 to 1, highest at peak seconds after midnight.
	daily, peak float64
	quick, slow wander
	// bursts come on average each burstGap seconds, last minutes, and multiply the load.
	burstGap, burstSize float64
	burstEnd            float64
	// shape multiplies all, by seconds since the instance was first seen; nil is 1.
	shape func(t float64) float64
}

// breathing is a load with noise on two time scales and a daily swing.
func breathing(r source, daily float64) load {
	l := load{
		daily: daily, peak: r.between(0, day),
		quick: wander{tau: 40, sd: 0.10}, slow: wander{tau: 25 * minute, sd: 0.06},
	}
	l.quick.start(r)
	l.slow.start(r)
	return l
}

func (l *load) step(r source, t, dt float64) float64 {
	x := 1 + l.daily*math.Cos(2*math.Pi*(t-l.peak)/day)
	x *= math.Exp(l.quick.step(r, dt) + l.slow.step(r, dt))
	if l.burstGap > 0 {
		if t >= l.burstEnd && r.Float64() < dt/l.burstGap {
			l.burstEnd = t + r.between(3*minute, 20*minute)
		}
		if t < l.burstEnd {
			x *= l.burstSize
		}
	}
	if l.shape != nil {
		x *= l.shape(t)
	}
	return max(0, x)
}

// rampTo goes from 1 to level between two times, and stays.
func rampTo(level, from, to float64) func(float64) float64 {
	return func(t float64) float64 {
		return 1 + (level-1)*max(0, min(1, (t-from)/(to-from)))
	}
}
