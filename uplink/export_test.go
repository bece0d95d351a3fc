package uplink

import "time"

// SetPatience makes tests of silent hubs short; before Run.
func (u *Uplink) SetPatience(answer, pong time.Duration) { u.patience, u.silence = answer, pong }
