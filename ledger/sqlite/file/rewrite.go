package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The -wal file is a header and then frames, each a page with a header of its own. A frame counts if it has the salt of the file's
// header, and a checksum that goes on from the frame before; what a transaction wrote counts if its last frame does.
const (
	logHeader   = 32
	frameHeader = 24
)

// rewrite writes a -wal file once more as it is, and forces it to the disk. After a failed fsync the system may hold as clean what never
// got to the disk: another fsync succeeds and does nothing. What is written again is forced again.
//
// The caller holds the lock for writing, so that nothing is added meanwhile; who reads finds the same bytes all the time. At least the
// given number of frames must be there: the system may also have dropped what it could not write.
func rewrite(log *os.File, frames int, sync func(*os.File) error) error {
	again := &rewriter{read: log.ReadAt, write: log.WriteAt}
	found, err := again.frames()
	if err != nil {
		return err
	}
	if found < frames {
		return fmt.Errorf("%w: of %d pages %d are left", errLost, frames, found)
	}
	if err := sync(log); err != nil {
		return fmt.Errorf("%w: %w", errNotWhole, err)
	}
	return nil
}

var errNotWhole = errors.New("the -wal file cannot be written once more")

var errLost = errors.New("the -wal file has lost what was written to it (what was acknowledged is safe); end every program that has the ledger open, and start again")

type rewriter struct {
	read, write func(b []byte, at int64) (int, error)
	order       binary.ByteOrder // of the checksums' words
	sum         [2]uint32
	at          int64
}

// next reads, and writes again, what comes next.
func (r *rewriter) next(b []byte, valid func() bool) (ok bool, err error) {
	if err := r.call(r.read, b); errors.Is(err, io.EOF) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if !valid() {
		return false, nil
	}
	if err := r.call(r.write, b); err != nil {
		return false, fmt.Errorf("%w: %w", errNotWhole, err)
	}
	r.at += int64(len(b))
	return true, nil
}

// attempts is how often the same page is tried, or the same checkpoint: what begins from the front after each error never gets through a file
// that is longer than the disk works without one.
const attempts = 10

// call reads or writes where the rewriter is.
func (r *rewriter) call(f func(b []byte, at int64) (int, error), b []byte) (err error) {
	for range attempts {
		if _, err = f(b, r.at); err == nil || errors.Is(err, io.EOF) {
			return err
		}
	}
	return err
}

// frames goes through the file and returns how many frames of whole transactions there are.
func (r *rewriter) frames() (n int, err error) {
	head := make([]byte, logHeader)
	ok, err := r.next(head, func() bool {
		switch binary.BigEndian.Uint32(head) {
		case 0x377f0682:
			r.order = binary.LittleEndian
		case 0x377f0683:
			r.order = binary.BigEndian
		default:
			return false
		}
		r.add(head[:24])
		return r.sums(head[24:])
	})
	if !ok || err != nil {
		return 0, err
	}
	size := binary.BigEndian.Uint32(head[8:])
	if size < 512 || size > 65536 {
		return 0, nil
	}
	frame := make([]byte, frameHeader+size)
	for i := 1; ; i++ {
		ok, err := r.next(frame, func() bool {
			r.add(frame[:8])
			r.add(frame[frameHeader:])
			return bytes.Equal(frame[8:16], head[16:24]) && r.sums(frame[16:])
		})
		if !ok || err != nil {
			return n, err
		}
		if binary.BigEndian.Uint32(frame[4:]) != 0 { // the last one of a transaction
			n = i
		}
	}
}

func (r *rewriter) add(b []byte) {
	for ; len(b) > 0; b = b[8:] {
		r.sum[0] += r.order.Uint32(b) + r.sum[1]
		r.sum[1] += r.order.Uint32(b[4:]) + r.sum[0]
	}
}

func (r *rewriter) sums(b []byte) bool {
	return r.sum == [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}
