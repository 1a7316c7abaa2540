package channel

import (
	"iter"
	"maps"
)

// Names are the channels that there are.
func Names() iter.Seq[string] { return maps.Keys(channels) }
