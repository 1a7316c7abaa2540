package core

import "time"

// Opened sets when a ledger was opened.
func (l *Ledger) Opened(at time.Time) { l.steps.began = at }

// Looked sets what a ledger last saw the clock show.
func (l *Ledger) Looked(wall time.Time) { l.steps.wall = wall }
