package file

import (
	"os"
	"time"

	"go.uber.org/zap"
)

const (
	stuckLook  = 5 * time.Second
	stuckAfter = time.Minute     // without beginning anew
	stuckSize  = walKept + 1<<20 // of a -wal file that could have
)

// stuck notices that the -wal file grows and does not begin anew, since somebody goes on reading what is in it: it takes up the disk, and makes
// whoever reads slower and slower.
type stuck struct {
	file   *File
	size   int64           // from which on it is one
	after  time.Duration   // in which it did not begin anew
	last   int64           // size at the last look
	header [logHeader]byte // changes when it begins anew
	since  time.Time       // when that was first seen
	warned bool
}

// look warns once, until the file has begun anew.
func (s *stuck) look(now time.Time) {
	var header [logHeader]byte
	var size int64
	err := s.file.writer.disk.use(func(log *os.File) error {
		info, err := log.Stat()
		if err != nil {
			return err
		}
		size = info.Size()
		_, err = log.ReadAt(header[:], 0)
		return err
	})
	if err != nil { // empty, or not open
		header = [logHeader]byte{}
	}
	grown := size > s.last
	s.last = size
	log := s.file.log.With(zap.String("file", s.file.path+"-wal"), zap.Int64("bytes", size), zap.Duration("for", now.Sub(s.since)))
	switch {
	case header != s.header:
		if s.warned {
			log.Info("the ledger's -wal file has begun anew")
		}
		s.header, s.since, s.warned = header, now, false
	case !s.warned && grown && size >= s.size && now.Sub(s.since) >= s.after:
		s.warned = true
		if s.file.pauses.busy() {
			log.Info("the ledger's -wal file grows until the backup or check that goes on in this process has ended")
			return
		}
		log.Warn("the ledger's -wal file grows and cannot begin anew, since another program goes on reading the ledger; end that program",
			zap.Ints("processes", ReadersOf(s.file.path+"-shm")))
	}
}
