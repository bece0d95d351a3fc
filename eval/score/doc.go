// Package score counts: alarms against what was the case, with intervals that
// say how much the counts can bear. What judges said and what is true enter,
// figures leave; it knows neither the detector nor the rules.
package score
