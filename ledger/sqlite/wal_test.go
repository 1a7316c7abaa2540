package sqlite

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestRewrite: the -wal file is written again as SQLite wrote it, frame by frame, and what is not there is missed.
func TestRewrite(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0", "evt_1", "evt_2")
	want, _ := logOf(t, l.file)
	done, err := copiedBy(l, "NOOP")
	must(t, err)
	const size = frameHeader + 4096
	if done.frames == 0 || len(want) != logHeader+done.frames*size {
		t.Fatalf("%+v, %d bytes", done, len(want))
	}
	calls := 0
	try := func(content []byte, frames int) ([]byte, error) {
		log, err := os.CreateTemp(t.TempDir(), "")
		must(t, err)
		defer log.Close()
		_, err = log.Write(content)
		must(t, err)
		err = rewrite(log, frames, func(*os.File) error { calls++; return nil })
		after, rerr := os.ReadFile(log.Name())
		must(t, rerr)
		return after, err
	}
	if got, err := try(want, done.frames); err != nil || calls != 1 || !bytes.Equal(got, want) {
		t.Errorf("written again: %v, forced %d times, the same: %t", err, calls, bytes.Equal(got, want))
	}
	if _, err := try(nil, 0); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"a frame too few", func(b []byte) []byte { return b[:len(b)-size] }},
		{"half a frame", func(b []byte) []byte { return b[:len(b)-size/2] }},
		{"a hole", func(b []byte) []byte { clear(b[len(b)-size : len(b)-size/2]); return b }},
		{"an older frame", func(b []byte) []byte { copy(b[len(b)-size:], b[logHeader:]); return b }},
		{"another salt", func(b []byte) []byte { b[len(b)-size+8]++; return b }},
		{"no header", func(b []byte) []byte { clear(b[:logHeader]); return b }},
		{"an odd page size", func(b []byte) []byte { b[8] = 0xff; return b }},
		{"nothing", func([]byte) []byte { return nil }},
	} {
		calls = 0
		if _, err := try(c.damage(bytes.Clone(want)), done.frames); !errors.Is(err, errLost) || calls != 0 {
			t.Errorf("%s: %v, forced %d times", c.name, err, calls)
		}
	}
}

// TestRewriteOnAPoorDisk: a disk at which calls fail now and then takes a file of any length; one that takes nothing is soon left alone.
func TestRewriteOnAPoorDisk(t *testing.T) {
	l := openFile(t, newFile(t))
	appendEvents(t, l, "evt_0", "evt_1", "evt_2")
	want, _ := logOf(t, l.file)
	done, err := copiedBy(l, "NOOP")
	must(t, err)
	for _, works := range []int{1, 2, 3, 7} {
		got := make([]byte, len(want))
		calls := 0
		poor := func(f func(b []byte, at int64)) func(b []byte, at int64) (int, error) {
			return func(b []byte, at int64) (int, error) {
				if calls++; calls%(works+1) == 0 {
					f(b[:len(b)/2], at)
					return len(b) / 2, syscall.EIO
				}
				f(b, at)
				return len(b), nil
			}
		}
		source := bytes.NewReader(want)
		r := &rewriter{
			read: func(b []byte, at int64) (n int, err error) {
				n, err = source.ReadAt(b, at)
				if err == nil {
					return poor(func([]byte, int64) {})(b, at)
				}
				return n, err
			},
			write: poor(func(b []byte, at int64) { copy(got[at:], b) }),
		}
		if n, err := r.frames(); err != nil || n != done.frames || !bytes.Equal(got, want) {
			t.Errorf("one call of %d fails: %d of %d frames, the same: %t, %v", works+1, n, done.frames, bytes.Equal(got, want), err)
		}
	}
	calls := 0
	r := &rewriter{read: bytes.NewReader(want).ReadAt, write: func([]byte, int64) (int, error) { calls++; return 0, syscall.EIO }}
	if _, err := r.frames(); !errors.Is(err, errNotWhole) || !errors.Is(err, syscall.EIO) || calls > attempts {
		t.Errorf("every call fails: %v, after %d", err, calls)
	}
}
