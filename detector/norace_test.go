//go:build !race

package detector

// raceEnabled says that everything takes ten times as long.
const raceEnabled = false
