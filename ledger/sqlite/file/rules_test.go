package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger"
)

// A job that ends with an answer of the ledger's spoils the transaction for others only if it wrote something; any other error does, whatever it did.
func TestWhatSpoilsATransaction(t *testing.T) {
	all := []error{ledger.ErrNotFound, ledger.ErrReserved, ledger.ErrState, ledger.ErrDecided, ledger.ErrRefundDiffers, ledger.ErrRefundExceeds, ledger.ErrRefundTaken}
	for _, wrote := range []bool{false, true} {
		if spoilt(wrote, nil) || !spoilt(wrote, errors.New("disk I/O error")) {
			t.Errorf("wrote %t", wrote)
		}
		for _, answer := range all {
			if spoilt(wrote, fmt.Errorf("because: %w", answer)) != wrote {
				t.Errorf("wrote %t, and ends with %v", wrote, answer)
			}
		}
	}
}

// What callers tell apart is left as it is; all else names the file.
func TestWrappedErrors(t *testing.T) {
	f := &File{path: "/pay/ledger.db"}
	for _, err := range []error{nil, ledger.ErrNotFound, ledger.ErrReserved, ledger.ErrState, ledger.ErrDecided, ledger.ErrCursor, ledger.ErrClosed, context.Canceled, context.DeadlineExceeded} {
		if got := f.wrap(err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	odd := errors.New("odd")
	if got := f.wrap(odd); !errors.Is(got, odd) || got == odd || !bytes.Contains([]byte(got.Error()), []byte("/pay/ledger.db")) {
		t.Errorf("%v", got)
	}
}

// The ledger is said to be gone once, and to be back once.
func TestPresenceIsSaidOnce(t *testing.T) {
	core, lines := observer.New(zap.InfoLevel)
	file := filepath.Join(t.TempDir(), "ledger.db")
	write := func() {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	p := &presence{file: file, log: zap.New(core)}
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	said := func(want ...string) {
		t.Helper()
		var got []string
		for _, l := range lines.TakeAll() {
			got = append(got, l.Level.String()+" "+l.Message)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	for range 2 {
		if err := p.look(); err != nil || p.err() != nil {
			t.Error(err)
		}
	}
	said()
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.look(); !errors.Is(err, errGone) || !errors.Is(p.err(), errGone) {
			t.Error(err)
		}
	}
	said("error the ledger is not where it was")
	if err := os.Rename(file+".moved", file); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.look(); err != nil || p.err() != nil {
			t.Error(err)
		}
	}
	said("info the ledger is back")
}

// logOfPages is a -wal file of so many transactions, each of one page, in either order of bytes.
func logOfPages(t *testing.T, order binary.ByteOrder, size uint32, pages int) []byte {
	t.Helper()
	r := &rewriter{order: order}
	head := make([]byte, logHeader)
	magic := uint32(0x377f0682)
	if order == binary.BigEndian {
		magic++
	}
	sign := func(b []byte) {
		binary.BigEndian.PutUint32(b, r.sum[0])
		binary.BigEndian.PutUint32(b[4:], r.sum[1])
	}
	binary.BigEndian.PutUint32(head, magic)
	binary.BigEndian.PutUint32(head[8:], size)
	binary.BigEndian.PutUint64(head[16:], 0x1122334455667788)
	r.add(head[:24])
	sign(head[24:])
	log := head
	for n := range pages {
		frame := make([]byte, frameHeader+size)
		binary.BigEndian.PutUint32(frame, uint32(n+1))
		binary.BigEndian.PutUint32(frame[4:], uint32(n+1))
		copy(frame[8:16], head[16:24])
		for i := range size {
			frame[frameHeader+i] = byte(int(i) * (n + 3))
		}
		r.add(frame[:8])
		r.add(frame[frameHeader:])
		sign(frame[16:])
		log = append(log, frame...)
	}
	return log
}

// framesOf goes through a -wal file as rewrite does, and says what it has written again.
func framesOf(log []byte) (n int, again []byte, err error) {
	n, err = (&rewriter{
		read: func(b []byte, at int64) (int, error) { return bytes.NewReader(log).ReadAt(b, at) },
		write: func(b []byte, at int64) (int, error) {
			if at != int64(len(again)) {
				return 0, io.ErrShortWrite
			}
			again = append(again, b...)
			return len(b), nil
		},
	}).frames()
	return n, again, err
}

// A frame counts as far as all of it is what was written: its page, its header, and the checksum that goes on from the one before.
func TestFramesThatCount(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		const size, pages = 512, 3
		whole := logOfPages(t, order, size, pages)
		if n, again, err := framesOf(whole); n != pages || !bytes.Equal(again, whole) || err != nil {
			t.Errorf("%s: %d frames, %d bytes of %d, %v", order, n, len(again), len(whole), err)
		}
		const frame = frameHeader + size
		for name, c := range map[string]struct {
			at   int // of the byte that is another
			want int
		}{
			"the kind of file": {3, 0}, "the header": {12, 0}, "the header's checksum": {31, 0}, "the first page": {logHeader + frameHeader + 9, 0}, "the second page": {logHeader + frame + frameHeader + 500, 1},
			"the last byte": {len(whole) - 1, 2}, "the last one's number": {logHeader + 2*frame + 3, 2}, "the last one's salt": {logHeader + 2*frame + 9, 2}, "the last one's checksum": {logHeader + 2*frame + 23, 2},
			"the first half of it": {logHeader + 2*frame + 16, 2},
		} {
			log := bytes.Clone(whole)
			log[c.at] ^= 0x40
			if n, _, err := framesOf(log); n != c.want || err != nil {
				t.Errorf("%s: with another byte in %s %d frames count, want %d; %v", order, name, n, c.want, err)
			}
		}
		for size, want := range map[uint32]int{256: 0, 512: 2, 65536: 2, 131072: 0} {
			if n, _, err := framesOf(logOfPages(t, order, size, 2)); n != want || err != nil {
				t.Errorf("%s: pages of %d bytes: %d frames, %v", order, size, n, err)
			}
		}
		// A page in the middle of a transaction counts with its last one alone.
		log := logOfPages(t, order, size, 1)
		binary.BigEndian.PutUint32(log[logHeader+4:], 0)
		r := &rewriter{order: order}
		r.add(log[:24])
		r.add(log[logHeader : logHeader+8])
		r.add(log[logHeader+frameHeader:])
		binary.BigEndian.PutUint32(log[logHeader+16:], r.sum[0])
		binary.BigEndian.PutUint32(log[logHeader+20:], r.sum[1])
		if n, again, err := framesOf(log); n != 0 || len(again) != len(log) || err != nil {
			t.Errorf("%s: half a transaction: %d frames, %d bytes, %v", order, n, len(again), err)
		}
	}
	if n, _, err := framesOf(nil); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
}

// A folder begins with its own measures.
func TestNewFolder(t *testing.T) {
	if f := newFolder(&File{}); f.after != foldAfter || f.rest != foldRest || cap(f.full) != 1 || f.done == nil || f.file == nil {
		t.Errorf("%+v", f)
	}
}
