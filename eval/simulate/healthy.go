package simulate

// healthy are the services that grow, wave or jump without leaking.
func healthy() []*Scenario {
	var out []*Scenario
	for _, group := range [][]*Scenario{caches(), traffic(), schedules(), runtimes()} {
		out = append(out, group...)
	}
	return out
}

// caches fill, settle and breathe.
func caches() []*Scenario {
	return []*Scenario{
		sound("steady", 2.5, func(r source) plan {
			b := newBody(r, 0)
			return b.plan(nothing)
		}),
		sound("warmup-exponential", 2, func(r source) plan {
			b := newBody(r, 0.2)
			tau := r.scale(8*minute, 90*minute)
			return b.plan(func(b *body) []part {
				return []part{b.part(4*kib, &warmup{amount: b.live * 0.9, tau: tau}), b.part(300, &warmup{amount: b.live * 0.5, tau: tau / 2})}
			})
		}),
		sound("lru-fill", 3, func(r source) plan {
			b := newBody(r, r.between(0, 0.4))
			bound, takes, size := b.live*r.between(0.6, 1.4), r.scale(1*hour, 8*hour), r.scale(200, 8*kib)
			universe := bound * r.between(1.3, 3)
			return b.plan(func(b *body) []part {
				return []part{b.part(size, &lru{bound: bound, universe: universe, rate: 2 * bound / takes})}
			})
		}),
		sound("lru-fill-linear", 3, linearFill),
		sound("ttl-cache-diurnal", 3, func(r source) plan {
			b := newBody(r, 0.6)
			ttl := r.scale(20*minute, 4*hour)
			return b.plan(func(b *body) []part {
				return []part{b.part(2*kib, &sessions{amount: b.live * 0.9, stay: ttl, stages: 4})}
			})
		}),
		sound("slow-wobble", 3, func(r source) plan {
			b := newBody(r, 0.1)
			tau := r.scale(1*hour, 8*hour)
			return b.plan(func(b *body) []part {
				return []part{b.part(kib, &wobble{amount: b.live * 0.8, noise: wander{tau: tau, sd: 0.12}})}
			})
		}),
		sound("high-water-pools", 3, func(r source) plan {
			b := newBody(r, 0.4)
			b.load.burstGap, b.load.burstSize = 4*hour, r.between(1.3, 2)
			return b.plan(func(b *body) []part {
				return []part{b.part(32*kib, &highWater{amount: b.live * 0.3, noise: wander{tau: 5 * minute, sd: 0.2}})}
			})
		}),
		sound("map-never-shrinks", 3, func(r source) plan {
			b := newBody(r, 0.5)
			bucket := r.scale(64*kib, 8*mib)
			return b.plan(func(b *body) []part {
				return []part{b.part(bucket, &highWater{amount: b.live * 0.4, noise: wander{tau: hour, sd: 0.1}}), b.part(256, &sessions{amount: b.live * 0.2, stay: 20 * minute})}
			})
		}),
		sound("ballast", 2, func(r source) plan {
			b := newBody(r, 0.4)
			return b.plan(func(b *body) []part { return []part{b.part(b.limit*0.1, &constant{amount: b.limit * 0.1})} })
		}),
	}
}

// traffic comes in waves, and memory with it.
func traffic() []*Scenario {
	return []*Scenario{
		sound("sessions-diurnal", 3, func(r source) plan {
			b := newBody(r, 0.7)
			return b.plan(func(b *body) []part {
				return []part{b.part(4*kib, &sessions{amount: b.live * 0.8, stay: 30 * minute}), b.part(900, &sessions{amount: b.live * 0.3, stay: 2 * hour})}
			})
		}),
		sound("inflight-diurnal", 3, func(r source) plan {
			b := newBody(r, 0.75)
			return b.plan(func(b *body) []part {
				return []part{b.part(16*kib, &inflight{amount: b.live * 0.4, lifetime: 5, noise: wander{tau: minute, sd: 0.25}})}
			})
		}),
		sound("traffic-shift", 2.5, func(r source) plan {
			b := newBody(r, 0.2)
			at := r.between(6*hour, 40*hour)
			b.load.shape = rampTo(r.between(1.4, 2), at, at+r.scale(2*minute, 3*hour))
			return b.plan(func(b *body) []part { return []part{b.part(3*kib, &sessions{amount: b.live * 0.4, stay: 30 * minute})} })
		}),
		sound("traffic-grows-for-days", 3, func(r source) plan {
			b := newBody(r, 0.3)
			b.load.shape = rampTo(r.between(1.4, 1.9), r.between(0, 12*hour), r.between(40*hour, 72*hour))
			return b.plan(func(b *body) []part { return []part{b.part(3*kib, &sessions{amount: b.live * 0.5, stay: 45 * minute})} })
		}),
		sound("bursts", 2.5, func(r source) plan {
			b := newBody(r, 0.3)
			b.load.burstGap, b.load.burstSize = 90*minute, r.between(1.5, 2.2)
			return b.plan(nothing)
		}),
		sound("websockets-track-users", 3, func(r source) plan {
			b := newBody(r, 0.7)
			users, stay := r.scale(800, 6000)*b.limit/gib, r.scale(10*minute, 90*minute)
			return b.plan(func(b *body) []part {
				return b.goroutines(&sessions{amount: users, stay: stay}, 6*kib, false, b.function())
			})
		}),
		sound("backlog-drains", 3, func(r source) plan {
			b := newBody(r, 0.3)
			grows := r.scale(20*minute, 3*hour)
			return b.plan(func(b *body) []part {
				return []part{b.part(2*kib, &backlog{rate: b.live * 0.9 / grows, gap: 10 * hour, grows: grows})}
			})
		}),
	}
}

// schedules act by the clock: jobs, reloads, deployments, flushes.
func schedules() []*Scenario {
	return []*Scenario{
		sound("hourly-batch", 2.5, func(r source) plan {
			b := newBody(r, 0.2)
			b.limit = max(b.limit, 2*gib)
			phase, lasts := r.between(0, hour), r.between(4*minute, 20*minute)
			return b.plan(func(b *body) []part {
				return []part{b.part(64*kib, &batch{amount: 300 * mib, period: hour, lasts: lasts, phase: phase})}
			})
		}),
		sound("config-reloads", 2.5, func(r source) plan {
			b := newBody(r, 0.2)
			return b.plan(func(b *body) []part {
				return []part{b.part(kib, &reloads{amount: b.live * 0.5, gap: 3 * hour, spread: 0.3}), b.part(150, &reloads{amount: b.live * 0.2, gap: 40 * minute, spread: 0.3})}
			})
		}),
		sound("restarts-with-warmup", 3, func(r source) plan {
			b := newBody(r, 0.3)
			tau := r.scale(5*minute, 40*minute)
			p := b.plan(func(b *body) []part { return []part{b.part(2*kib, &warmup{amount: b.live * 0.7, tau: tau})} })
			p.deploys = every(r, r.scale(5*hour, 20*hour), 3*day)
			return p
		}),
		sound("segment-flush", 2.5, func(r source) plan {
			b := newBody(r, 0.3)
			period := r.scale(20*minute, 4*hour)
			return b.plan(func(b *body) []part { return []part{b.part(512, &sawtooth{amount: b.live * 0.8, period: period})} })
		}),
		sound("missing-and-clock-jumps", 3, func(r source) plan {
			b := newBody(r, 0.4)
			p := b.plan(func(b *body) []part { return []part{b.part(2*kib, &sessions{amount: b.live * 0.5, stay: 30 * minute})} })
			for _, t := range every(r, 5*hour, 3*day) {
				p.gaps = append(p.gaps, [2]float64{t, t + r.scale(5*minute, 3*hour)})
			}
			for _, t := range every(r, 13*hour, 3*day) {
				p.jumps = append(p.jumps, jump{t, r.between(-30*minute, 90*minute)})
			}
			return p
		}),
	}
}

// runtimes are the ways of the runtime itself.
func runtimes() []*Scenario {
	return []*Scenario{
		sound("idle-forced-gc", 2.5, idle),
		sound("scraper-allocates", 2.5, func(r source) plan {
			return idle(r).with(func(s *setup) {
				s.garbage = 60 * kib
				s.parts = append(s.parts,
					part{owner: "runtime/pprof.(*profileBuilder).build", size: 32 * kib, holder: &inflight{amount: 1.5 * mib, lifetime: 20, noise: wander{tau: minute, sd: 0.3}}},
					part{owner: "compress/flate.NewWriter", size: 650 * kib, holder: &highWater{amount: 2 * mib, noise: wander{tau: hour, sd: 0.2}}})
			})
		}),
		sound("gogc-changed", 2, func(r source) plan {
			b := newBody(r, 0.2)
			b.live /= 2
			first, second := r.between(4*hour, 16*hour), r.between(20*hour, 40*hour)
			return b.plan(nothing).with(func(s *setup) {
				s.gogcAt = func(t float64) float64 { return pick(t < first, 100, pick(t < second, 200, 60)) }
			})
		}),
		sound("gomemlimit-near", 2.5, func(r source) plan {
			b := newBody(r, 0.2)
			b.gogc = pick(r.Float64() < 0.5, 0, 100)
			b.live = b.limit * r.between(0.3, 0.42)
			b.garbage = b.live / 40
			return b.plan(nothing).with(func(s *setup) {
				s.memLimit = 0.82 * b.limit
				s.calm(8) // what allocates fast beside so large a heap dies of its GC
			})
		}),
		sound("idle-heap-unscavenged", 2.5, func(r source) plan {
			b := newBody(r, 0.3)
			b.limit = max(b.limit, 2*gib)
			phase := r.between(0, 7*hour)
			return b.plan(func(b *body) []part {
				return []part{b.part(256*kib, &batch{amount: b.limit * 0.08, period: 7 * hour, lasts: 10 * minute, phase: phase})}
			}).with(func(s *setup) { s.scavengeLag = 5 * hour })
		}),
	}
}

func nothing(*body) []part { return nil }

func pick(first bool, a, b float64) float64 {
	if first {
		return a
	}
	return b
}

// idle does almost nothing: only the two-minute timer makes it collect.
func idle(r source) plan {
	b := newBody(r, 0)
	b.limit, b.live = 512*mib, r.between(4, 30)*mib
	b.garbage = r.scale(500, 15*kib)
	return b.plan(nothing).with(func(s *setup) { s.calm(2000) })
}

// calm makes work under way take so many times longer, and so allocate less.
func (s *setup) calm(factor float64) {
	for i := range s.parts {
		if f, ok := s.parts[i].holder.(*inflight); ok {
			f.lifetime *= factor
		}
	}
}

// linearFill meets a new key at every miss, and stops at its bound.
func linearFill(r source) plan {
	b := newBody(r, r.between(0, 0.3))
	bound, takes, size := b.live*r.between(0.6, 1.4), r.scale(1*hour, 8*hour), r.scale(200, 8*kib)
	var cache *lru
	p := b.plan(func(b *body) []part {
		cache = &lru{bound: bound, rate: bound / takes}
		return []part{b.part(size, cache)}
	})
	p.unknowable = func() bool { return !cache.full() }
	return p
}
