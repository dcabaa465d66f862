//go:build race

package artifact

// raceEnabled says that tests run several times slower.
const raceEnabled = true
